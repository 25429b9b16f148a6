"""The trainer: one job directory in, one adapter out, exit.

load -> for each step: rewards -> advantages -> micro-batches (log-probabilities, loss, gradient) ->
step -> write

A step takes `train.groups_per_update` groups, in the order of the job; a job that has no more than
that, as nearly all have, is one step. Each is repeated `train.num_iterations` times.

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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from empo_serve.errors import EmpoError, JobError
from empo_serve.train.forward import Policy
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
from empo_serve.train.step import Before, accumulate_gradients, check_finite, completions
from empo_serve.train.step_metrics import job_metrics, step_metrics
from empo_serve.train.workers import Workers


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
    workers = Workers(job.train.device)
    with open(job_dir / "job.json", "rb") as lock:
        if workers.is_first:  # the others have no business with files
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                raise JobError(f"another trainer is at work on {job_dir}") from e
            _remove_leftovers(job_dir)
        cores = max(len(os.sched_getaffinity(0)) // workers.on_this_machine, 1)
        torch.set_num_threads(job.train.threads or cores)
        _train(job, job_dir, workers, started)
        workers.leave()


def _train(job: Job, job_dir: Path, workers: Workers, started: float) -> None:
    size = job.train.groups_per_update
    starts = range(0, len(job.groups), size)
    chunks = [_Chunk.of(replace(job, groups=job.groups[i : i + size])) for i in starts]
    num_trained = sum(len(chunk.trained) for chunk in chunks)
    say(
        f"update {job.update_id} from {job.parent_version}: {len(job.groups)} groups, "
        f"{num_trained} with a signal, reward {job.train.reward}"
        + (f", {len(chunks)} steps" if len(chunks) > 1 else "")
    )
    if not num_trained:
        steps = [chunk.metrics({}, step=0, tokens=0, started=started) for chunk in chunks]
        if workers.is_first:
            metrics = job_metrics(steps, time.monotonic() - started)
            _append_metrics(job_dir, metrics)
            write_result(job_dir, JobResult("skipped", job.update_id, metrics, {}))
        say("no group has a signal: skipped")
        return

    model = load_model(job, job_dir, _device(job.train.device, workers))
    policy = Policy(model)
    parameters = trainable_parameters(model)
    optimizer = new_optimizer(parameters, job.train.learning_rate, job_dir)
    say(f"loaded {job.base_model.path} on {model.device} after {time.monotonic() - started:.1f} s")
    if not policy.is_packed:
        say(
            f"model type {model.config.model_type} takes no mask of our own: "
            "each sample is computed with its prompt, which is slower"
        )

    steps = []
    for chunk in chunks:
        chunk_started = started if not steps else time.monotonic()  # the first one loads the model
        metrics = _iterate(chunk, policy, parameters, optimizer, workers, chunk_started)
        steps.append(metrics)
        if workers.is_first:
            _append_metrics(job_dir, metrics)
    if workers.is_first:
        save_optimizer(optimizer, parameters, job_dir / OPTIMIZER)
        save_adapter(model, job_dir / "adapter")
        files = {name: _sha256(job_dir / "adapter" / name) for name in ADAPTER_FILES}
        metrics = job_metrics(steps, time.monotonic() - started)
        write_result(job_dir, JobResult("trained", job.update_id, metrics, files))
        say(
            f"done: step {metrics.step}, loss {metrics.loss:.5f}, "
            f"gradient norm {metrics.grad_norm:.4f}, {metrics.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The groups of one step, as a job of their own."""

    job: Job
    rewards: list[list[float]]
    trained: list[int]  # indices of the groups that go through the model

    @classmethod
    def of(cls, job: Job) -> _Chunk:
        rewards = [_rewards(job, group) for group in job.groups]
        trained = [
            i
            for i, r in enumerate(rewards)
            if has_signal(r) and completions(job, i) and not _is_mostly_truncated(job.groups[i])
        ]
        return cls(job, rewards, trained)

    def metrics(
        self, numbers: dict[str, float], *, step: int, tokens: int, started: float
    ) -> StepMetrics:
        return step_metrics(
            self.job.groups,
            self.rewards,
            len(self.trained),
            numbers,
            step=step,
            tokens=tokens,
            seconds=time.monotonic() - started,
        )


def _iterate(
    chunk: _Chunk,
    policy: Policy,
    parameters: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.AdamW,
    workers: Workers,
    started: float,
) -> StepMetrics:
    """The steps of the optimiser on these groups; none if no group has a signal. Raises JobError.

    What is logged is the mean over the iterations, of the gradient norm the largest.
    """
    job = chunk.job
    before: dict[int, Before] = {}
    iterations: list[dict[str, float]] = []
    tokens = 0
    for _ in range(job.train.num_iterations if chunk.trained else 0):
        optimizer.zero_grad()
        numbers, tokens = accumulate_gradients(
            job, policy, chunk.rewards, chunk.trained, workers, before
        )
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), job.train.max_grad_norm)
        numbers["grad_norm"] = float(norm)
        check_finite(job, numbers)
        iterations.append(numbers)
        optimizer.step()
        if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
            raise JobError(f"update {job.update_id}: the new weights are not finite; not published")
    state = next(iter(optimizer.state.values()), None)
    step = int(state["step"]) if state else 0
    return chunk.metrics(_summed_up(iterations), step=step, tokens=tokens, started=started)


def _summed_up(iterations: Sequence[dict[str, float]]) -> dict[str, float]:
    if not iterations:
        return {}
    means = {name: statistics.fmean(n[name] for n in iterations) for name in iterations[0]}
    return means | {"grad_norm": max(n["grad_norm"] for n in iterations)}


def _rewards(job: Job, group: JobGroup) -> list[float]:
    # A completion that was cut off has not given its answer, whatever was found in it.
    answers = ["" if s.truncated else s.answer for s in group.samples]
    return empo_rewards(
        group.semantic_ids,
        answers,
        job.train.reward,
        job.train.empty_reward,
        copies=[s.copies_question for s in group.samples],
        seed=f"{job.train.seed}:{job.update_id}:{group.group_id}",
    )


def _is_mostly_truncated(group: JobGroup) -> bool:
    """The few samples that came to an end are then the short ones, not a fair picture."""
    return 2 * sum(s.truncated for s in group.samples) > len(group.samples)


def _device(name: str, workers: Workers) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise JobError('train.device is "cuda", but torch finds no GPU; set it to "cpu" or "auto"')
    if workers.device is not None:
        return workers.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
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
