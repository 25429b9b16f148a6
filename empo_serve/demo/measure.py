"""How good and how sure is one version? Accuracies and semantic entropy, with intervals.

Every prompt is asked once: a greedy answer plus the server's own samples, grouped by meaning. The
representative answer of a cluster stands for all of its members. A sample that was cut at the token
limit has no answer and counts as wrong, so answers that become shorter raise sampled accuracy too;
greedy accuracy reads the whole text, cut or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from empo_serve.demo.client import Client, Cluster, Uncertain
from empo_serve.demo.traffic import Prompt

MEASURES = ("sampled_accuracy", "greedy_accuracy", "majority_accuracy", "semantic_entropy_norm")
NUM_RESAMPLES = 2000
CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One prompt under one version. All values are in 0..1."""

    prompt: Prompt
    answer: Uncertain

    @property
    def sampled_accuracy(self) -> float:
        """Share of the samples that are right (avg@k)."""
        clusters = self.answer.clusters
        right = sum(c.count for c in clusters if self.prompt.accepts(c.answer))
        return right / sum(c.count for c in clusters)

    @property
    def greedy_accuracy(self) -> float:
        return float(self.prompt.accepts(self.answer.greedy))

    @property
    def majority_accuracy(self) -> float:
        """1 if the largest cluster is right (maj@k)."""
        return float(self.prompt.accepts(self.largest_cluster.answer))

    @property
    def semantic_entropy_norm(self) -> float:
        return self.answer.semantic_entropy_norm

    @property
    def largest_cluster(self) -> Cluster:
        """The first one among equals: the server lists clusters in order of first appearance."""
        return max(self.answer.clusters, key=lambda c: c.count)


async def measure(
    client: Client, version: str, prompts: Sequence[Prompt], advance: Callable[[], None]
) -> dict[str, Measured]:
    """Ask every prompt of `version`; by prompt id. A failed request is left out (and counted)."""
    slots = asyncio.Semaphore(CONCURRENCY)
    measured: dict[str, Measured] = {}

    async def one(prompt: Prompt) -> None:
        async with slots:
            answer = await client.measure(prompt, version)
        if answer is not None:
            measured[prompt.id] = Measured(prompt, answer)
        advance()

    async with asyncio.TaskGroup() as tasks:
        for prompt in prompts:
            tasks.create_task(one(prompt))
    return measured


def values(measured: Sequence[Measured], name: str) -> list[float]:
    """One of MEASURES, for each prompt."""
    return [float(getattr(m, name)) for m in measured]


def mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def bootstrap_interval(numbers: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean, prompts drawn with replacement (Efron 1979).

    It speaks of other prompts of the same kind, not of another training run.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.asarray(numbers, dtype=float), size=(NUM_RESAMPLES, len(numbers)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def paired_change(
    before: dict[str, Measured], after: dict[str, Measured], name: str
) -> tuple[float, tuple[float, float]]:
    """Mean change over the prompts that both have, and its 95 % interval.

    Paired by prompt: some questions are hard for every version, and that is not noise here.
    """
    both = [prompt_id for prompt_id in before if prompt_id in after]
    changes = [float(getattr(after[i], name)) - float(getattr(before[i], name)) for i in both]
    return mean(changes), bootstrap_interval(changes)
