"""The entropy band: which groups are worth training on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from empo_serve.config import BandSection
from empo_serve.types import BandDecision


def decide(
    semantic_ids: Sequence[int], answers: Sequence[str], section: BandSection
) -> BandDecision:
    """Admit a group, or say why not (EMPO, arXiv 2504.05812, eq. 7, with the cases it leaves out).

    `semantic_ids[i]` is the cluster of sample i and `answers[i]` its answer, "" for none. An
    answerless sample counts in the entropy but is never the consensus.
    """
    answered = Counter(i for i, answer in zip(semantic_ids, answers, strict=True) if answer)
    sizes = list(Counter(semantic_ids).values())
    return decide_by_sizes(sizes, max(answered.values(), default=0), section)


def decide_by_sizes(
    sizes: Sequence[int], largest_answered: int, section: BandSection
) -> BandDecision:
    """The same from the sizes of all clusters, and of the largest one that has an answer."""
    num_samples = sum(sizes)
    if num_samples < 2:
        return BandDecision.NO_SIGNAL
    # Integers, not H < ln G: in floating point that comparison is wrong for G = 3, 6, 7, 10, ...
    if len(sizes) == num_samples:
        return BandDecision.TOO_UNCERTAIN
    if len(sizes) == 1:
        return BandDecision.TOO_CERTAIN
    if len(set(sizes)) == 1:
        return BandDecision.NO_SIGNAL  # equal rewards: every advantage is zero
    norm = entropy_norm(sizes)
    if norm < section.low:
        return BandDecision.TOO_CERTAIN
    if norm > section.high:
        return BandDecision.TOO_UNCERTAIN
    if largest_answered < section.min_largest_cluster * num_samples:
        return BandDecision.NO_CONSENSUS
    return BandDecision.ADMITTED


def entropy_norm(sizes: Sequence[int]) -> float:
    """Normalised plug-in entropy of at least two samples in clusters of these sizes.

    In this form, and in order of size, equal groups give equal floats at the band's edges.
    """
    num_samples = sum(sizes)
    log_sizes = sum(n * math.log(n) for n in sorted(sizes))
    return 1.0 - log_sizes / num_samples / math.log(num_samples)
