"""What clustering costs: groups per second by rules, and comparisons beside those of peers."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from peers import LmPolygraph, Uqlm
from samples import Asked

from empo_serve.config import SemanticsSection
from empo_serve.semantics.base import Equivalence, Verdict
from empo_serve.semantics.scorer import Scorer

GROUP_SIZE = 8
SHORT = 40  # characters
NUM_PASSES = 5


@dataclass(frozen=True, slots=True)
class Group:
    question: str
    texts: list[str]
    truncated: list[bool]


def throughput(pairs: list[dict[str, Any]], samples: Sequence[Asked]) -> None:
    """Extraction, clustering and entropy of groups of 8 by rules, on one core, nothing cached."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        mathematics = [pair for pair in pairs if pair["category"] == "latex_math"]
        others = [pair for pair in pairs if pair["category"] != "latex_math"]
        for name, make in (
            ("labelled short answers, but for LaTeX", lambda seed: labelled_groups(others, seed)),
            ("labelled LaTeX", lambda seed: labelled_groups(mathematics, seed)),
            ("samples of the demo model", lambda seed: sampled_groups(samples, seed)),
        ):
            seconds = []
            for seed in range(NUM_PASSES):
                scorer = Scorer(SemanticsSection(equivalence="rules"))
                try:
                    scorer.equivalence.load()
                    for group in make(seed):
                        started = time.perf_counter()
                        scorer.score_completions(group.question, group.texts, group.truncated)
                        seconds.append(time.perf_counter() - started)
                finally:
                    scorer.close()
            if seconds:
                p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
                print(
                    f"\nrules, one core, {name}: {len(seconds)} groups of {GROUP_SIZE}, "
                    f"{len(seconds) / sum(seconds):.0f} groups/s, p50 {p50:.2f} ms, "
                    f"p99 {p99:.2f} ms, max {max(seconds) * 1e3:.0f} ms"
                )
    finally:
        os.sched_setaffinity(0, before)


def count_calls(
    pairs: list[dict[str, Any]], samples: Sequence[Asked], section: SemanticsSection
) -> None:
    """Forward passes of a model that each would make for the same groups.

    Ours are counted as if each comparison took two, as one of an NLI model does; rules take none.
    """
    groups = sampled_groups(samples, 0) or labelled_groups(pairs, 0)
    scorer = Scorer(section)
    counted = _Counting(scorer.equivalence)
    scorer.equivalence = counted
    uqlm, polygraph = Uqlm(counted.inner), LmPolygraph(counted.inner)
    calls = {"uqlm": 0, "lm-polygraph": 0}
    try:
        for group in groups:
            scorer.score_completions(group.question, group.texts, group.truncated)
            zeros = [0.0] * len(group.texts)
            calls["uqlm"] += uqlm.score(group.question, group.texts, zeros).calls
            calls["lm-polygraph"] += polygraph.score(group.question, group.texts, zeros).calls
    finally:
        scorer.close()
    print(f"\nequivalence calls for {len(groups)} groups of {GROUP_SIZE} ({section.equivalence})")
    by_model = sum(n for method, n in counted.methods.items() if method.startswith(MODELS))
    for name, pairs_asked in (
        ("all comparisons, rules included", sum(counted.methods.values())),
        ("comparisons that a model made", by_model),
    ):
        ours = 2 * pairs_asked
        shares = ", ".join(f"{ours / n:.2f} of {peer}'s {n}" for peer, n in calls.items())
        print(f"  {name}, in both directions: {ours}: {shares}")
    print(f"  decided by: {dict(sorted(counted.methods.items(), key=lambda x: -x[1]))}")


MODELS = ("embedding", "nli", "judge")  # what the methods of their verdicts begin with


class _Counting:
    """Counts the verdicts of an equivalence by the method that gave them."""

    def __init__(self, inner: Equivalence) -> None:
        self.inner = inner
        self.methods: dict[str, int] = {}

    def load(self) -> None:
        self.inner.load()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts = self.inner.same(question, pairs)
        for verdict in verdicts:
            self.methods[verdict.method] = self.methods.get(verdict.method, 0) + 1
        return verdicts

    def close(self) -> None:
        self.inner.close()


def labelled_groups(pairs: list[dict[str, Any]], seed: int) -> list[Group]:
    """For each question 8 draws, with repetition, from its short answers."""
    answers: dict[str, set[str]] = {}
    for pair in pairs:
        answers.setdefault(pair["question"], set()).update((pair["a"], pair["b"]))
    rng = random.Random(seed)
    groups = []
    for question, texts in answers.items():
        short = sorted(text for text in texts if len(text) <= SHORT)
        if short:
            groups.append(Group(question, rng.choices(short, k=GROUP_SIZE), [False] * GROUP_SIZE))
    return groups


def sampled_groups(samples: Sequence[Asked], seed: int) -> list[Group]:
    """The `seed`-th eight samples of each question, the first eight where there are no more."""
    groups = []
    for asked in samples:
        first = seed * GROUP_SIZE if len(asked.samples) >= (seed + 1) * GROUP_SIZE else 0
        drawn = asked.samples[first : first + GROUP_SIZE]
        groups.append(
            Group(asked.question, [s.text for s in drawn], [s.is_truncated for s in drawn])
        )
    return groups
