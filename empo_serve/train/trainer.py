"""The trainer: one job directory in, one optimiser step, one adapter out, exit.

load -> rewards -> advantages -> micro-batches (log-probabilities, loss, gradient) -> step -> write

Killed at any point, the same directory can be run again and gives the same adapter: everything
is decided by what is in it, and result.json is written last. Not covered: bitwise equality on
another machine, with another number of threads, or on a GPU.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from empo_serve.errors import EmpoError, JobError
from empo_serve.train.job import (
    ADAPTER_FILES,
    OPTIMIZER,
    Job,
    JobGroup,
    JobResult,
    StepMetrics,
    read_job,
    read_result,
    write_result,
)
from empo_serve.train.model import (
    load_model,
    new_optimizer,
    save_adapter,
    save_optimizer,
    say,
    trainable_parameters,
)
from empo_serve.train.rewards import empo_rewards, has_signal
from empo_serve.train.step import accumulate_gradients, check_finite, completions


def run(job_dir: Path) -> None:
    """Run the job in `job_dir`. Raises JobError if that cannot be done; then nothing is published.

    A job that is finished already is left alone.
    """
    started = time.monotonic()
    job_dir = job_dir.absolute()
    if read_result(job_dir) is not None:
        say(f"{job_dir} is finished already; nothing to do")
        return
    job = read_job(job_dir)
    with open(job_dir / "job.json", "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise JobError(f"another trainer is at work on {job_dir}") from e
        _remove_leftovers(job_dir)
        torch.set_num_threads(job.train.threads or len(os.sched_getaffinity(0)))
        _train(job, job_dir, started)


def _train(job: Job, job_dir: Path, started: float) -> None:
    rewards = [_rewards(job, group) for group in job.groups]
    trained = [i for i, r in enumerate(rewards) if has_signal(r) and completions(job, i)]
    say(
        f"update {job.update_id} from {job.parent_version}: {len(job.groups)} groups, "
        f"{len(trained)} with a signal, reward {job.train.reward}"
    )
    if not trained:
        metrics = _metrics(job, rewards, trained, {}, step=0, tokens=0, started=started)
        _append_metrics(job_dir, metrics)
        write_result(job_dir, JobResult("skipped", job.update_id, metrics, {}))
        say("no group has a signal: skipped")
        return

    device = _device(job.train.device)
    model = load_model(job, job_dir, device)
    parameters = trainable_parameters(model)
    optimizer = new_optimizer(parameters, job.train.learning_rate, job_dir)
    say(f"loaded {job.base_model.path} on {device} after {time.monotonic() - started:.1f} s")

    numbers, tokens = accumulate_gradients(job, model, rewards, trained)
    norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), job.train.max_grad_norm)
    numbers["grad_norm"] = float(norm)
    check_finite(job, numbers)
    optimizer.step()
    if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
        raise JobError(f"update {job.update_id}: the new weights are not finite; not published")

    step = int(next(iter(optimizer.state.values()))["step"])
    save_optimizer(optimizer, parameters, job_dir / OPTIMIZER)
    save_adapter(model, job_dir / "adapter")
    metrics = _metrics(job, rewards, trained, numbers, step=step, tokens=tokens, started=started)
    _append_metrics(job_dir, metrics)
    files = {name: _sha256(job_dir / "adapter" / name) for name in ADAPTER_FILES}
    write_result(job_dir, JobResult("trained", job.update_id, metrics, files))
    say(
        f"done: step {step}, loss {numbers['loss']:.5f}, gradient norm {numbers['grad_norm']:.4f}, "
        f"{metrics.seconds:.1f} s"
    )


def _rewards(job: Job, group: JobGroup) -> list[float]:
    # A completion that was cut off has not given its answer, whatever was found in it.
    answers = ["" if s.truncated else s.answer for s in group.samples]
    return empo_rewards(
        group.semantic_ids,
        answers,
        job.train.reward,
        job.train.empty_reward,
        seed=f"{job.train.seed}:{job.update_id}:{group.group_id}",
    )


def _metrics(
    job: Job,
    rewards: list[list[float]],
    trained: list[int],
    numbers: dict[str, float],
    *,
    step: int,
    tokens: int,
    started: float,
) -> StepMetrics:
    return StepMetrics(
        step=step,
        loss=numbers.get("loss"),
        reward_mean=statistics.fmean(r for group in rewards for r in group),
        reward_std=statistics.fmean(statistics.stdev(group) for group in rewards),
        kl=numbers.get("kl"),
        grad_norm=numbers.get("grad_norm"),
        clip_fraction=numbers.get("clip_fraction"),
        importance_ratio_mean=numbers.get("importance_ratio_mean"),
        mean_abs_logprob_difference=numbers.get("mean_abs_logprob_difference"),
        effective_sample_size=numbers.get("effective_sample_size"),
        semantic_entropy_mean=statistics.fmean(g.semantic_entropy for g in job.groups),
        groups=len(job.groups),
        groups_without_signal=len(job.groups) - len(trained),
        samples=sum(len(g.samples) for g in job.groups),
        tokens=tokens,
        seconds=round(time.monotonic() - started, 3),
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise JobError('train.device is "cuda", but torch finds no GPU; set it to "cpu" or "auto"')
    return torch.device(name)


def _remove_leftovers(job_dir: Path) -> None:
    """Of an earlier run that was killed."""
    shutil.rmtree(job_dir / "adapter", ignore_errors=True)
    for name in (OPTIMIZER, "metrics.jsonl"):
        (job_dir / name).unlink(missing_ok=True)


def _append_metrics(job_dir: Path, metrics: StepMetrics) -> None:
    with open(job_dir / "metrics.jsonl", "a", encoding="utf-8") as f:
        f.write(json.dumps(asdict(metrics)) + "\n")
        f.flush()
        os.fsync(f.fileno())


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def main(argv: Sequence[str]) -> int:
    if len(argv) != 1:
        print("usage: python -m empo_serve.train.trainer JOB_DIR", file=sys.stderr)
        return 2
    try:
        run(Path(argv[0]))
    except EmpoError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
