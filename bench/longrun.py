"""Two hundred updates on the same few questions: what happens without guards, and what with them?

    python bench/longrun.py RESULTS [--updates 200] [--arms off on] [--report]
    python bench/longrun.py RESULTS --prompts 8 --set train.groups_per_update=8     # harder

The tiny model (tiny_world.py), 32 questions as traffic, a high learning rate: what every server
comes to that runs for ever while its users go on asking the same. "off" is learning without gate,
guards and limit on repeated prompts; "on" is the same with all of them at their defaults.

Real are the server and its HTTP, vLLM, traffic through the OpenAI client, rewards, band, jobs,
swaps, guards and gate. Not real is the trainer's process: the server of this bench calls the
trainer within itself, since 200 starts of Python and torch would take most of an hour. A turn is
an update; once none comes of many rounds of the traffic, a turn is one round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from longrun_report import report
from loop import BATCH, Run, World, read_runs, say, tiny_world

from empo_serve.errors import EmpoError

NUM_PROMPTS = 32  # questions of the traffic
MEASURE_EVERY = 10  # turns
MAX_ROUNDS = 8  # of the traffic, for an update to come
SETTINGS = ("train.beta=0.01",)
OFF = ("gate.enabled=false", "guards.enabled=false", "train.max_repeats=0")
ON = ("gate.enabled=true",)


class LongRun(Run):
    """`arm` is "off" or "on"."""

    num_prompts = NUM_PROMPTS

    empo_serve = (sys.executable, __file__, "--empo-serve")
    num_samples = 16

    async def _learn(self) -> str:
        self._split = replace(self._split, traffic=self._split.traffic[: self.num_prompts])
        rounds = MAX_ROUNDS
        for turn in range(self._updates + 1):
            if turn % MEASURE_EVERY == 0:
                await self._measure(turn, cross=False)
                accuracy = mean_accuracy(self._versions[-1])
                say(f"  turn {turn}: {self._watch.live}, sampled accuracy {accuracy:.3f}")
            if turn < self._updates:
                rounds = MAX_ROUNDS if await self._turn(rounds) else 1
        status = (await self._watch.status())["learning"]
        return str(status.get("summary", "all turns are done"))

    async def _turn(self, rounds: int) -> bool:
        """Traffic until an update has ended. False: none came in so many rounds."""
        before = len(self._watch.updates)
        for _ in range(rounds * len(self._split.traffic) // BATCH):
            prompts = [next(self._order) for _ in range(BATCH)]
            await asyncio.gather(*(self._client.ask(p, stream=False, learn=True) for p in prompts))
            status = await self._watch.status()
            # A guard that pauses learning keeps what waits waiting.
            while status["queue"] and not status["learning"]["paused"]:
                await asyncio.sleep(0.05)
                status = await self._watch.status()
            await self._watch.poll()
            if len(self._watch.updates) > before:
                break
        while self._watch.is_training:
            await asyncio.sleep(0.05)
            await self._watch.poll()
        return len(self._watch.updates) > before


def mean_accuracy(entry: dict[str, Any]) -> float:
    prompts = entry["heldout"].values()
    return float(sum(p["sampled_accuracy"] for p in prompts) / len(prompts))


def serve_with_the_trainer_inside(argv: list[str]) -> None:
    """`empo-serve`, but for where the trainer runs."""
    from empo_serve import cli
    from empo_serve.pipeline.training import TrainerFailed, Training
    from empo_serve.train import trainer
    from empo_serve.train.job import JobResult, read_result

    async def run(self: Training, update_id: int) -> JobResult:
        directory = self._data_dir.update(update_id)
        try:
            await asyncio.to_thread(trainer.run, directory)
        except EmpoError as e:
            raise TrainerFailed(str(e)) from e
        result = read_result(directory)
        assert result is not None, "the trainer leaves a result or raises"
        return result

    Training.run = run  # type: ignore[method-assign]
    cli.main(argv)


def main() -> None:
    if sys.argv[1:2] == ["--empo-serve"]:
        serve_with_the_trainer_inside(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--arms", nargs="+", choices=("off", "on"), default=["off", "on"])
    parser.add_argument("--prompts", type=int, default=NUM_PROMPTS, help="questions as traffic")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], help="more settings, for all arms")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    file = options.results / "longrun.jsonl"
    have = {r["arm"] for r in read_runs(file)}
    arms = [] if options.report else [arm for arm in options.arms if arm not in have]
    world = tiny_world(options.results) if arms else None
    LongRun.num_prompts = options.prompts
    for arm in arms:
        assert isinstance(world, World)
        say(arm)
        started = time.monotonic()
        folder = options.results / f"longrun-{arm}"
        extra = [*SETTINGS, *(ON if arm == "on" else OFF), *options.set]
        run = LongRun(world, options.seed, arm, options.updates, folder, extra)
        line = asyncio.run(run.run())
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        shutil.rmtree(folder / "data")
        say(f"  {line['ended']} ({time.monotonic() - started:.0f} s)")
    report(read_runs(file), options.results)


if __name__ == "__main__":
    main()
