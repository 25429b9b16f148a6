"""What a few paired observations say of a difference, with a stated confidence.

Both versions answer the same queries, so each query is its own control: only the differences
count, and what makes one query harder than another does not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean difference and its one-sided bounds, each at the confidence that was asked for."""

    mean: float
    lower: float
    upper: float


def paired_mean(differences: Sequence[float], confidence: float) -> Estimate:
    """Bounds of the mean of at least two differences, by Student's t."""
    n = len(differences)
    mean = statistics.fmean(differences)
    half = student_t(confidence, n - 1) * statistics.stdev(differences) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half)


def paired_share(new: Sequence[bool], old: Sequence[bool], confidence: float) -> Estimate:
    """Bounds of share(new) - share(old) over the same things.

    The adjusted Wald interval of Agresti and Min (Statistics in Medicine 24, 2005): half an
    observation is added to each cell of the 2 x 2 table, so that no difference at all in a few
    observations is not taken for certainty.
    """
    pairs = list(zip(new, old, strict=True))
    gained = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    n = len(pairs) + 2
    p_gained, p_lost = (gained + 0.5) / n, (lost + 0.5) / n
    middle = p_gained - p_lost
    half = _z(confidence) * math.sqrt((p_gained + p_lost - middle**2) / n)
    return Estimate((gained - lost) / len(pairs), middle - half, middle + half)


def student_t(confidence: float, freedom: int) -> float:
    """Quantile of Student's t, from the normal one (Abramowitz and Stegun, 26.7.5).

    Within 1 % of the exact value from 4 degrees of freedom on, for confidences up to 0.99.
    """
    z = _z(confidence)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def _z(confidence: float) -> float:
    return statistics.NormalDist().inv_cdf(confidence)
