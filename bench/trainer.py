"""One training step: ours against TRL's GRPOTrainer, on the same samples, and an update as a whole.

    python bench/trainer.py MODEL_DIR [--rounds 3] [--steps 3] [--beta 0.01] [--threads 2]

MODEL_DIR is a Hugging Face directory (`python -m empo_serve.train.prepare_model`). TRL must be
importable; without it only our side is measured. Each measurement is a process of its own, the
sides take turns, and every process makes one step to warm up and then STEPS that count.

The same on both sides: model and its precision (bfloat16), LoRA of rank 2 on all linear layers,
random prompts and completions of fixed lengths, rewards, KL to the base model, one step of AdamW
for all groups. Time is from the rewards to the end of the optimiser's step; loading and saving are
outside. TRL runs as its documentation has it, through `train()`, and gets the completions from a
`rollout_func` that has them ready, so nothing is generated; of its micro-batch sizes (`--micro`,
tried one after the other) and precisions the fastest counts.

Seconds of processors are of all threads of the process; other load on the machine disturbs them
less than it does the clock.

Memory is the process's largest resident size, and the part of it above what was resident when the
model was loaded.

"update" runs the trainer's own process on a job of 8 groups of 46 + 8 x 8 tokens, as the demo
does it (KL on, from a parent adapter), and reports what it says of itself: the time from loaded
to done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHAPES = {"short": (8, 46, 16), "long": (2, 512, 64)}  # groups, prompt, completion (tokens)
GENERATIONS = 8
Seconds = list[tuple[float, float]]  # of each step: by the clock, and of processors
RANK, ALPHA, RATE = 2, 4.0, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--beta", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--micro", type=int, nargs="*", default=[8, 16], help="of TRL, in samples")
    parser.add_argument("--only", choices=("steps", "update"))
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        measure(arguments, *arguments.side.split(","))
        return
    if arguments.only != "update":
        compare(arguments)
    if arguments.only != "steps":
        times = [update(arguments) for _ in range(arguments.rounds)]
        print(f"update of 8 x 8 short samples: {_all(times)} s from loaded to done")


def compare(arguments: argparse.Namespace) -> None:
    sides = ["ours"]
    if subprocess.run([sys.executable, "-c", "import trl"], capture_output=True).returncode == 0:
        sides += [f"trl-{kind}-{n}" for kind in ("plain", "autocast") for n in arguments.micro]
    for shape, (groups, prompt, completion) in SHAPES.items():
        print(f"{groups} groups of {prompt} + {GENERATIONS} x {completion} tokens")
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for _ in range(arguments.rounds):
            for side in sides:
                command = [sys.executable, __file__, *sys.argv[1:], "--side", f"{side},{shape}"]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                runs[side].append(json.loads(done.stdout.splitlines()[-1]))
        for side, results in runs.items():
            seconds = [statistics.median(r["seconds"]) for r in results]
            cpu = [statistics.median(r["cpu"]) for r in results]
            print(
                f"  {side:16} {groups * GENERATIONS / statistics.median(seconds):6.2f} samples/s"
                f"  step {_all(seconds)} s, of processors {_all(cpu)} s"
                f"  first {_all([r['first'] for r in results])} s"
                f"  peak {_all([r['peak_mib'] for r in results], 0)} MiB,"
                f" above loaded {_all([r['above_mib'] for r in results], 0)} MiB"
            )


def measure(arguments: argparse.Namespace, side: str, shape: str) -> None:
    """One process: print its seconds per step and its memory."""
    import psutil
    import torch

    torch.set_num_threads(arguments.threads)
    kind, *options = side.split("-")
    loaded: list[int] = []

    def on_loaded() -> None:
        loaded.append(psutil.Process().memory_info().rss)

    if kind == "ours":
        seconds = run_ours(arguments, shape, on_loaded)
    else:
        seconds = run_trl(arguments, shape, options[0] == "autocast", int(options[1]), on_loaded)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "first": seconds[0][0],
                "seconds": [wall for wall, _ in seconds[1:]],
                "cpu": [cpu for _, cpu in seconds[1:]],
                "peak_mib": peak / 2**20,
                "above_mib": (peak - loaded[0]) / 2**20,
            }
        )
    )


def samples(shape: str, vocabulary: int = 49152) -> list[tuple[list[int], list[list[int]]]]:
    """Groups of (prompt, completions), all token ids."""
    groups, prompt, completion = SHAPES[shape]
    rng = random.Random(shape)

    def tokens(n: int) -> list[int]:
        return [rng.randrange(10, vocabulary) for _ in range(n)]

    return [
        (tokens(prompt), [tokens(completion) for _ in range(GENERATIONS)]) for _ in range(groups)
    ]


def reward_of(completion: Sequence[int]) -> float:
    return completion[0] % 8 / 8


def run_ours(arguments: argparse.Namespace, shape: str, on_loaded: Any) -> Seconds:
    import torch

    from empo_serve.train.forward import Policy
    from empo_serve.train.model import load_model, new_optimizer, trainable_parameters
    from empo_serve.train.step import accumulate_gradients
    from empo_serve.train.workers import Workers

    job = make_job(arguments, samples(shape))
    nowhere = Path(tempfile.mkdtemp())
    model = load_model(job, nowhere, torch.device("cpu"))
    policy, parameters = Policy(model), trainable_parameters(model)
    optimizer = new_optimizer(parameters, RATE, nowhere)
    on_loaded()
    seconds = []
    for _ in range(1 + arguments.steps):
        started = _clocks()
        rewards = [[reward_of(s.token_ids) for s in group.samples] for group in job.groups]
        optimizer.zero_grad()
        accumulate_gradients(job, policy, rewards, list(range(len(job.groups))), Workers("cpu"))
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
        optimizer.step()
        seconds.append(_since(started))
    return seconds


def make_job(arguments: argparse.Namespace, groups: list[tuple[list[int], list[list[int]]]]) -> Any:
    from empo_serve.config import TrainSection
    from empo_serve.train.job import BaseModel, Job, JobGroup, JobSample, config_sha256

    model = arguments.model.absolute()
    return Job(
        update_id=1,
        parent_version="v0",
        base_model=BaseModel(str(model), config_sha256(model), "bfloat16"),
        temperature=0.7,
        max_completion_length=24,
        train=TrainSection(
            rank=RANK, alpha=ALPHA, learning_rate=RATE, beta=arguments.beta, device="cpu"
        ),
        groups=tuple(
            JobGroup(
                group_id=number,
                query_id=str(number),
                version="v0",
                prompt_token_ids=tuple(prompt),
                semantic_ids=tuple(c[0] % 4 for c in completions),
                semantic_entropy=1.0,
                samples=tuple(
                    JobSample(tuple(c), (-5.0,) * len(c), str(c[0] % 4), False) for c in completions
                ),
            )
            for number, (prompt, completions) in enumerate(groups)
        ),
    )


def run_trl(
    arguments: argparse.Namespace, shape: str, autocast: bool, micro: int, on_loaded: Any
) -> Seconds:
    import warnings

    warnings.simplefilter("ignore")
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from transformers.utils import logging
    from trl import GRPOConfig, GRPOTrainer

    logging.disable_progress_bar()
    groups = samples(shape)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seconds: Seconds = []

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            on_loaded()

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = _clocks()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(_since(self.started))

    def rollout(prompts: list[str], _: Any) -> dict[str, Any]:
        # A prompt is its number; it comes once for each of its completions.
        seen: dict[int, int] = {}
        ids = [int(p) for p in prompts]
        completions = []
        for i in ids:
            seen[i] = seen.get(i, -1) + 1
            completions.append(groups[i][1][seen[i]])
        return {
            "prompt_ids": [groups[i][0] for i in ids],
            "completion_ids": completions,
            "logprobs": None,
        }

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [reward_of(c) for c in completion_ids]

    total = len(groups) * GENERATIONS
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=str(arguments.model),
            reward_funcs=reward,
            train_dataset=Dataset.from_dict({"prompt": [str(i) for i in range(len(groups))]}),
            rollout_func=rollout,
            callbacks=[clock],
            peft_config=LoraConfig(
                r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
            args=GRPOConfig(
                output_dir=folder,
                model_init_kwargs={"dtype": "bfloat16"},
                bf16=autocast,
                use_cpu=True,
                loss_type="dr_grpo",
                scale_rewards="none",
                beta=arguments.beta,
                temperature=0.7,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                gradient_checkpointing=False,
                num_generations=GENERATIONS,
                max_completion_length=SHAPES[shape][2],
                per_device_train_batch_size=min(micro, total),
                gradient_accumulation_steps=total // min(micro, total),
                max_steps=1 + arguments.steps,
                report_to=[],
                logging_strategy="no",
                save_strategy="no",
                disable_tqdm=True,
            ),
        )
        trainer.train()
    return clock.seconds


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _clocks()
    return wall - started[0], cpu - started[1]


def update(arguments: argparse.Namespace) -> float:
    """Seconds of training of an update of 8 groups of 46 + 8 x 8 tokens, from a parent."""
    from dataclasses import replace

    from empo_serve.train.job import write_job

    SHAPES["update"] = (8, 46, 8)
    job = make_job(arguments, samples("update"))
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "1", Path(folder) / "2"
        write_job(first, job)
        _train(first, arguments.threads)
        child = replace(job, update_id=2, parent_version="v1")
        write_job(second, child, first / "adapter", first / "optimizer.pt")
        said = _train(second, arguments.threads)
    loaded = float(re.findall(r"loaded .* after ([\d.]+) s", said)[0])
    done = float(re.findall(r"done: .* ([\d.]+) s", said)[0])
    print(f"  loaded after {loaded} s, done after {done} s")
    return done - loaded


def _train(job_dir: Path, threads: int) -> str:
    command = [sys.executable, "-m", "empo_serve", "train", str(job_dir)]
    env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)}
    return subprocess.run(command, env=env, stderr=subprocess.PIPE, text=True, check=True).stderr


def _all(numbers: Sequence[float], digits: int = 2) -> str:
    """The median, and all of them."""
    ordered = " ".join(f"{n:.{digits}f}" for n in numbers)
    return f"{statistics.median(numbers):.{digits}f} ({ordered})"


if __name__ == "__main__":
    main()
