"""Whole learning loops on a real server, against controls: does EMPO improve what is served?

    python bench/loop.py RESULTS [--seeds 0 1 2] [--arms none prob noise random majority]
    python bench/loop.py RESULTS --tiny          # a model that the bench trains itself first
    python bench/loop.py RESULTS --report        # only the table and the plots of what is there

A run is one seed and one arm: `empo-serve serve` with real vLLM as a child process, traffic
through the OpenAI client, updates by the real trainer, hot swaps. Nothing is simulated. The seed
says which half of the questions is traffic and which is held out, the order of the traffic, and
`train.seed`; so the arms of one seed differ in the reward alone:

    none      the server before any update: v0, measured once for each seed
    prob      EMPO
    noise     a random number for every sample, so nothing to be learned at all
    random    a random number, but `train.empty_reward` for a sample without an answer: what that
              penalty does by itself
    majority  1 in a largest cluster, 0 elsewhere

Gate and guards are off in all arms: they would stop what chance makes, and the arms would no
longer have the same number of updates.

Traffic comes as fast as samples are drawn of it, and stops while an update is trained, so that
what is trained on was sampled from the version that is trained further. RESULTS/runs.jsonl gets
one line for each run; a run that is in it already is not done again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from loop_report import report
from prometheus_client.parser import text_string_to_metric_families

from empo_serve.demo.client import Client
from empo_serve.demo.measure import MEASURES, Measured, measure
from empo_serve.demo.server import ServeProcess, settle
from empo_serve.demo.traffic import Prompt, Split, load_traffic, split_by_hash, stratified
from empo_serve.demo.watch import Watch
from empo_serve.types import UpdateState

ROOT = Path(__file__).parent.parent
DEMO_DATA = ROOT / "empo_serve" / "demo_data"
ARMS = {
    "none": (),
    "prob": (),
    "noise": ("train.reward=random", "train.empty_reward=0.5"),
    "random": ("train.reward=random",),
    "majority": ("train.reward=majority",),
}
BATCH = 8  # questions that are asked at once
IDLE_ROUNDS = 4  # of all the traffic without an update: nothing is left in the band
ENDED = (UpdateState.PUBLISHED, UpdateState.REJECTED)
SETTINGS = (
    "gate.enabled=false",
    "guards.enabled=false",
    # Accuracies do not depend on how fast this machine is: nothing may time out on a busy one.
    "engine.stall_timeout_s=600",
    "engine.startup_timeout_s=1200",
    "semantics.timeout_s=600",
    # No user waits here: samples may fill the engine.
    "sampling.max_concurrent=8",
    "sampling.max_seqs=56",
)
TINY_SETTINGS = (
    "semantics.equivalence=rules",
    "engine.max_model_len=128",
    "engine.threads=1",
    "sampling.temperature=1.0",  # the teacher's words were learned at this one
    "sampling.max_tokens=4",
    "train.threads=1",
    "train.groups_per_update=16",
    "train.learning_rate=1e-2",
    "train.rank=1",
    "train.alpha=2",
    "train.beta=0.05",
)


@dataclass(frozen=True, slots=True)
class World:
    """What is served and asked. `prompts` of one or several domains are halved into traffic and
    held out; of `cross`, other domains, at most `max_cross` are measured."""

    model: Path
    prompts: tuple[Prompt, ...]
    cross: tuple[Prompt, ...]
    max_cross: int
    settings: tuple[str, ...] = ()


def demo_world(folder: Path) -> World:
    """The demo's model and its capitals. The model is converted once, not in each run."""
    from empo_serve.train.bundled import demo_model_path

    model = folder / "smollm2-135m-instruct"
    if not (model / "config.json").exists():
        command = [sys.executable, "-m", "empo_serve.train.prepare_model"]
        command += [str(demo_model_path()), str(model), "--dtype", "auto"]
        subprocess.run(command, check=True)
    capitals = load_traffic(DEMO_DATA / "traffic.jsonl")
    domains = {p.domain for p in capitals}
    mixed = load_traffic(DEMO_DATA / "mixed.jsonl")
    return World(model, capitals, tuple(p for p in mixed if p.domain not in domains), 48)


def tiny_world(folder: Path) -> World:
    """The bench's own model (tiny_world.py), trained first: its capitals, and its rivers."""
    from tiny_world import TEMPLATES, save_tiny_model, world

    model, facts = folder / "tiny", world()
    save_tiny_model(model, facts)
    capitals, rivers = (tuple(f.prompt for f in facts if f.domain == d) for d in TEMPLATES)
    return World(model, capitals, rivers, 32, TINY_SETTINGS)


class Run:
    """One seed and one arm, from the start of the server to the line in the results."""

    empo_serve: Sequence[str] = (sys.executable, "-m", "empo_serve")
    num_samples: int | None = None  # of each question that is measured; None: as in training

    def __init__(
        self, world: World, seed: int, arm: str, updates: int, folder: Path, extra: Sequence[str]
    ) -> None:
        settings = [
            *SETTINGS,
            *world.settings,
            f"model.path={world.model}",
            f"train.seed={seed}",
            *ARMS.get(arm, ()),
            *extra,
        ]
        config, self.settings = settle(folder, settings)
        self._arm, self._seed = arm, seed
        self._updates = 0 if arm == "none" else updates
        log = folder / "server.log"
        self._server = ServeProcess(config, self.settings, log, empo_serve=self.empo_serve)
        num_samples = self.num_samples or config.sampling.num_generations
        self._client = Client(self._server.url, config.sampling.max_tokens, num_samples)
        self._watch = Watch(self._server.admin_url, lambda _: None)
        self._split = split(world.prompts, seed)
        self._cross = stratified(salted(world.cross, seed), world.max_cross)
        self._order = self._rounds()
        self._versions: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}

    async def run(self) -> dict[str, Any]:
        """The line for the results."""
        try:
            with self._timed("start"):
                await self._server.start()
                await self._client.open()
                await self._client.ask(self._split.heldout[0], stream=False, learn=False)
            await self._watch.poll()
            if self._arm == "none":
                await self._measure(0, cross=True)
            ended = await self._learn()
            samples, groups = await self._samples()
        finally:
            await self._server.stop()
            await self._client.close()
        updates = list(self._watch.updates.values())
        trainer_s = sum(u.metrics.get("seconds", 0.0) for u in updates)
        tally = self._client.tally
        return {
            "arm": self._arm,
            "seed": self._seed,
            "ended": ended,
            "versions": self._versions,
            "updates": [
                {"state": u.state, "version": u.version, "groups": u.groups, **u.metrics}
                for u in updates
            ],
            "samples": samples,
            "groups": groups,
            "requests": {"total": tally.total, "failed": tally.failed, "mixed": tally.mixed},
            "seconds": {name: round(s, 1) for name, s in self._seconds.items()}
            | {"trainer": round(trainer_s, 1)},
            "settings": [s for s in self.settings if not s.startswith(("server.", "model.path"))],
        }

    async def _learn(self) -> str:
        """Play traffic until the updates are done, and measure; returns why it ended."""
        ended = "all updates are done"
        while (done := self._done()) < self._updates:
            if not await self._next_update():
                ended = f"no update in {IDLE_ROUNDS} rounds: nothing is left in the band"
                break
            if self._failed() > 2:
                raise RuntimeError(f"updates fail: {list(self._watch.updates.values())[-1].error}")
            if done < self._updates // 2 <= self._done():
                await self._measure(self._done(), cross=False)
                await self._learning("resume")
            say(f"  update {self._done()} of {self._updates}: {self._watch.live} is live")
        if self._updates:
            await self._measure(self._done(), cross=True)
        return ended

    def _done(self) -> int:
        return sum(u.state in ENDED for u in self._watch.updates.values())

    def _failed(self) -> int:
        return sum(u.state is UpdateState.FAILED for u in self._watch.updates.values())

    async def _next_update(self) -> bool:
        """Traffic until an update has been trained, and until that has ended. False: none came."""
        before = len(self._watch.updates)
        with self._timed("sampling"):
            num_asked = 0
            while len(self._watch.updates) == before:
                if num_asked > IDLE_ROUNDS * len(self._split.traffic):
                    return False
                if (await self._watch.status())["queue"] < BATCH // 2:
                    prompts = [next(self._order) for _ in range(BATCH)]
                    num_asked += BATCH
                    asks = [self._client.ask(p, stream=False, learn=True) for p in prompts]
                    await asyncio.gather(*asks)
                else:
                    await asyncio.sleep(0.2)
                await self._watch.poll()
        with self._timed("update"):
            if len(self._watch.updates) - self._failed() in (self._updates // 2, self._updates):
                await self._learning("pause")  # the next update is not to begin before measuring
            while self._watch.is_training:
                await asyncio.sleep(0.2)
                await self._watch.poll()
        return True

    def _rounds(self) -> Iterator[Prompt]:
        rng = random.Random(self._seed)
        while True:
            yield from rng.sample(self._split.traffic, len(self._split.traffic))

    async def _measure(self, updates: int, cross: bool) -> None:
        """Measure the live version; the prompts of each set under their ids without the salt."""
        version = self._watch.live
        sets = {"heldout": self._split.heldout} | ({"cross": self._cross} if cross else {})
        entry: dict[str, Any] = {"version": version, "updates": updates}
        with self._timed("measuring"):
            for name, prompts in sets.items():
                measured = await measure(self._client, version, prompts, lambda: None)
                entry[name] = {i.partition(":")[2]: values(m) for i, m in measured.items()}
        self._versions.append(entry)

    async def _learning(self, action: str) -> None:
        url = f"{self._server.admin_url}/admin/v1/learning/{action}"
        async with aiohttp.ClientSession() as session, session.post(url) as response:
            response.raise_for_status()

    async def _samples(self) -> tuple[int, dict[str, int]]:
        """All samples that were drawn to learn from, and their groups by what the band said."""
        url = f"{self._server.admin_url}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            page = await response.text()
        samples, groups = 0, {}
        for family in text_string_to_metric_families(page):
            for s in family.samples:
                if s.name == "empo_samples_total":
                    samples += int(s.value)
                elif s.name == "empo_band_decisions_total":
                    groups[s.labels["decision"]] = int(s.value)
        return samples, groups

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._seconds[phase] = self._seconds.get(phase, 0.0) + time.monotonic() - started


def salted(prompts: Sequence[Prompt], seed: int) -> tuple[Prompt, ...]:
    """The same questions under ids that hash differently for each seed."""
    return tuple(replace(p, id=f"{seed}:{p.id}") for p in prompts)


def split(prompts: Sequence[Prompt], seed: int) -> Split:
    return split_by_hash(salted(prompts, seed))


def values(measured: Measured) -> dict[str, float]:
    return {name: round(float(getattr(measured, name)), 4) for name in MEASURES}


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="directory of runs.jsonl, table and plots")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--updates", type=int, help="in each run: 10, tiny ones 6")
    parser.add_argument("--tiny", action="store_true", help="a model that is trained first")
    parser.add_argument("--set", action="append", default=[], help="more settings, for all arms")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    file = options.results / "runs.jsonl"
    if not options.report:
        world = (tiny_world if options.tiny else demo_world)(options.results)
        updates = options.updates or (6 if options.tiny else 10)
        for arm in options.arms:
            for seed in options.seeds:
                if any((r["seed"], r["arm"]) == (seed, arm) for r in read_runs(file)):
                    continue
                say(f"seed {seed}, {arm}")
                folder = options.results / f"{arm}-{seed}"
                run = Run(world, seed, arm, updates, folder, options.set)
                line = asyncio.run(run.run())
                with open(file, "a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")
                shutil.rmtree(folder / "data")  # versions and jobs: large, and told in the line
                say(f"  {line['ended']}; seconds: {line['seconds']}")
    report(read_runs(file), options.results)


def read_runs(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
