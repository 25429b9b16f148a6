"""What it saves to draw samples along those that are known, on a real server, and what it changes.

    python bench/reuse.py [--data-dir demo-report/data] [--traffic traffic.jsonl] [--rounds 3]

Servers with the demo's configuration take turns: one as it is, one without `sampling.reuse_known`,
one without early stop either. Each gets every question of the traffic once, from users who want one
token, and the time until all groups are decided is taken. Training is off. With a data directory,
such as the demo leaves, the version that is live in it is sampled, and v0 without.

The first two draw from the same distribution, so their groups should not differ beyond chance:
reported are the differences of entropy, of the share that is admitted and of the log-probability of
a sample, with 95 % intervals; questions are what is drawn again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from empo_serve.demo.traffic import load_traffic

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

DEMO_DATA = Path(__file__).parent.parent / "empo_serve" / "demo_data"
ARMS = {
    "reused": (),
    "plain": ("sampling.reuse_known=false",),
    "all": ("sampling.reuse_known=false", "sampling.early_stop=false"),
}
USERS = 8


@dataclass(frozen=True, slots=True)
class Group:
    question: str
    band: str
    entropy_norm: float
    samples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    tokens: float  # written by the engine; prompts once for each group
    repeated: float
    saved_early: float
    groups: list[Group]


def serve_once(arm: str, data_dir: Path | None, questions: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        own_dir = Path(folder) / "data"
        if data_dir is not None:
            shutil.copytree(data_dir, own_dir, ignore=shutil.ignore_patterns("lock", "logs"))
        server = Served(
            own_dir,
            *("model.path=demo", "train.enabled=false", *ARMS[arm]),
            config=DEMO_DATA / "demo.toml",
        )
        try:
            server.wait_ready(600)
            for text in questions[:2]:  # the first requests to vLLM take longer
                server.chat(text, max_tokens=1)
            server.wait_sampled()
            before = _counts(server)
            started, since = time.monotonic(), time.time()
            with ThreadPoolExecutor(USERS) as users:
                list(users.map(lambda text: server.chat(text, max_tokens=1), questions))
            server.until(lambda: _counts(server)[0] == before[0] + len(questions), 900)
            seconds = time.monotonic() - started
            _, *counts = (after - b for after, b in zip(_counts(server), before, strict=True))
        finally:
            server.stop()
        return Run(seconds, *counts, _groups(own_dir / "empo.db", since))


def _counts(server: Served) -> tuple[float, ...]:
    names = ("band_decisions", "background_tokens", "samples_repeated", "samples_saved")
    return tuple(server.metric(f"empo_{name}_total") for name in names)


def _groups(database: Path, since: float) -> list[Group]:
    query = "SELECT question, band, semantic_entropy_norm, samples FROM groups WHERE arrived_at > ?"
    with sqlite3.connect(database) as connection:
        rows = connection.execute(query, (since,)).fetchall()
    return [Group(q, band, entropy, json.loads(samples)) for q, band, entropy, samples in rows]


def report(runs: dict[str, list[Run]], num_generations: int) -> None:
    for arm, done in runs.items():
        total = num_generations * sum(len(run.groups) for run in done)
        repeated, early = sum(r.repeated for r in done), sum(r.saved_early for r in done)
        print(
            f"{arm:6} {len(done)} x {len(done[0].groups)} groups: "
            f"{np.median([len(r.groups) / r.seconds for r in done]):.2f} groups/s, "
            f"{sum(r.tokens for r in done) / (total / num_generations):.1f} tokens a group, "
            f"of {total} samples {(repeated + early) / total:.1%} not written "
            f"({repeated / total:.1%} repetitions, {early / total:.1%} given up)"
        )
    for arm in ("plain", "all"):
        pairs = zip(runs["reused"], runs[arm], strict=True)
        ratios = ", ".join(f"{other.seconds / reused.seconds:.2f}" for reused, other in pairs)
        print(f"time, {arm} / reused, by round: {ratios}")
    measures: dict[str, Callable[[Group], float]] = {
        "H / ln n": lambda group: group.entropy_norm,
        "admitted": lambda group: float(group.band == "admitted"),
        "log-probability of a sample": lambda group: float(
            np.mean([sum(sample["logprobs"]) for sample in group.samples])
        ),
        "tokens of a sample": lambda group: float(
            np.mean([len(sample["token_ids"]) for sample in group.samples])
        ),
    }
    for name, measure in measures.items():
        reused, plain = (_by_question(runs[arm], measure) for arm in ("reused", "plain"))
        gaps = np.array([reused[question] - plain[question] for question in plain])
        means = [np.random.default_rng(i).choice(gaps, len(gaps)).mean() for i in range(2000)]
        low, high = np.quantile(means, [0.025, 0.975])
        print(
            f"{name}: {np.mean([*reused.values()]):.3f} reused, {np.mean([*plain.values()]):.3f} "
            f"plain, difference {gaps.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        )


def _by_question(runs: Sequence[Run], measure: Callable[[Group], float]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for group in (group for run in runs for group in run.groups):
        values.setdefault(group.question, []).append(measure(group))
    return {question: float(np.mean(of)) for question, of in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--traffic", type=Path, default=DEMO_DATA / "traffic.jsonl")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    questions = [prompt.text for prompt in load_traffic(options.traffic)]
    runs: dict[str, list[Run]] = {arm: [] for arm in ARMS}
    for number in range(options.rounds):
        for arm in ARMS if number % 2 == 0 else reversed(ARMS):
            runs[arm].append(serve_once(arm, options.data_dir, questions))
            print(f"round {number + 1}, {arm}: {runs[arm][-1].seconds:.1f} s", flush=True)
    report(runs, num_generations=8)


if __name__ == "__main__":
    main()
