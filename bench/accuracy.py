"""Measures of graded samples: pass@1, pass@k, majority@k, and intervals that can be averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

NUM_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval; all NaN where there was nothing to average. `drawn` holds the
    means of the resamples, `[NUM_RESAMPLES]`."""

    mean: float
    low: float
    high: float
    drawn: npt.NDArray[np.float64]


def pass_at_k(num_samples: int, num_right: int, k: int) -> float:
    """Chance that at least one of k samples is right, estimated from `num_samples` >= k of them.

    1 - C(n - c, k) / C(n, k), which has no bias (Chen et al. 2021, arXiv 2107.03374). Raises
    ValueError for k > num_samples.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(f"pass@{k} needs at least {k} samples, got {num_samples}")
    return 1 - comb(num_samples - num_right, k) / comb(num_samples, k)


def majority(
    semantic_ids: Sequence[int], answers: Sequence[str], is_right: Sequence[bool]
) -> float:
    """Is the answer of the largest cluster right? Samples without an answer have no vote.

    Of equally large clusters one is drawn: the value is the expectation of that. 0 if nobody votes.
    """
    votes: dict[int, list[bool]] = {}
    for cluster, answer, right in zip(semantic_ids, answers, is_right, strict=True):
        if answer:
            votes.setdefault(cluster, []).append(right)
    largest = max(map(len, votes.values()), default=0)
    winners = [rights for rights in votes.values() if len(rights) == largest]
    # Where equivalence is not transitive the members of a cluster may differ: they count by share.
    return sum(sum(rights) for rights in winners) / (largest * len(winners)) if winners else 0.0


def estimate(values: Sequence[float], seed: int) -> Estimate:
    """Mean and percentile bootstrap interval, questions drawn with replacement (Efron 1979).

    It speaks of other questions of the same kind, not of another training run.
    """
    if not values:
        return _estimate(float("nan"), np.full(NUM_RESAMPLES, np.nan))
    of_values = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(len(values), size=(NUM_RESAMPLES, len(values)))
    return _estimate(float(of_values.mean()), of_values[rows].mean(axis=1))


def average(estimates: Sequence[Estimate]) -> Estimate:
    """Every file counts the same, however long it is. The files are independent of each other."""
    drawn = np.mean([e.drawn for e in estimates], axis=0)
    return _estimate(float(np.mean([e.mean for e in estimates])), drawn)


def _estimate(mean: float, drawn: npt.NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(mean, float(low), float(high), drawn)
