"""Measures of a predictor of mistakes, and their intervals. Questions are what is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Numbers = npt.NDArray[np.float64]
NUM_RESAMPLES = 2000


def auroc(uncertainty: Numbers, is_wrong: Numbers) -> float:
    """Chance that a wrong answer is more uncertain than a right one; ties count half."""
    num_wrong = is_wrong.sum()
    num_right = len(is_wrong) - num_wrong
    if not num_wrong or not num_right:
        return float("nan")
    ranks = rankdata(uncertainty)[is_wrong > 0].sum()
    return float((ranks - num_wrong * (num_wrong + 1) / 2) / (num_wrong * num_right))


def auroc_gain(uncertainty: Numbers, reference: Numbers, is_wrong: Numbers) -> float:
    return auroc(uncertainty, is_wrong) - auroc(reference, is_wrong)


def auarc(uncertainty: Numbers, is_wrong: Numbers) -> float:
    """Area under the accuracy-rejection curve: mean accuracy of the k most certain answers over
    all k. Among equally uncertain answers the order is random, so each has their mean accuracy.
    """
    _, tied = np.unique(uncertainty, return_inverse=True)
    right = (np.bincount(tied, 1 - is_wrong) / np.bincount(tied))[tied]
    ordered = right[np.argsort(uncertainty, kind="stable")]
    return float(np.mean(np.cumsum(ordered) / np.arange(1, len(ordered) + 1)))


def bins(confidence: Numbers, num_bins: int = 10) -> npt.NDArray[np.int64]:
    """The equal-width bin of each confidence in [0, 1]."""
    return np.minimum((confidence * num_bins).astype(np.int64), num_bins - 1)


def ece(confidence: Numbers, is_right: Numbers, num_bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): mean |accuracy - confidence| over bins."""
    which = bins(confidence, num_bins)
    gaps = np.bincount(which, is_right - confidence, num_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def interval(
    statistic: Callable[..., float], questions: Sequence[str], *columns: Numbers
) -> tuple[float, float]:
    """95 % percentile bootstrap of `statistic(*columns)`, with whole questions drawn again.

    Every call with the same `questions` draws the same, so differences are paired.
    """
    rng = np.random.default_rng(0)
    rows: dict[str, list[int]] = {}
    for i, question in enumerate(questions):
        rows.setdefault(question, []).append(i)
    groups = [np.array(group) for group in rows.values()]
    values = []
    for _ in range(NUM_RESAMPLES):
        drawn = rng.integers(len(groups), size=len(groups))
        indices = np.concatenate([groups[i] for i in drawn])
        values.append(statistic(*(column[indices] for column in columns)))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
