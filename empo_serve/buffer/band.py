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
    num_samples = len(semantic_ids)
    sizes = Counter(semantic_ids).values()
    if num_samples < 2:
        return BandDecision.NO_SIGNAL
    # Integers, not H < ln G: in floating point that comparison is wrong for G = 3, 6, 7, 10, ...
    if len(sizes) == num_samples:
        return BandDecision.TOO_UNCERTAIN
    if len(sizes) == 1:
        return BandDecision.TOO_CERTAIN
    if len(set(sizes)) == 1:
        return BandDecision.NO_SIGNAL  # equal rewards: every advantage is zero
    entropy = math.log(num_samples) - sum(n * math.log(n) for n in sizes) / num_samples
    entropy_norm = entropy / math.log(num_samples)
    if entropy_norm < section.low:
        return BandDecision.TOO_CERTAIN
    if entropy_norm > section.high:
        return BandDecision.TOO_UNCERTAIN
    answered = Counter(i for i, answer in zip(semantic_ids, answers, strict=True) if answer)
    largest = max(answered.values(), default=0)
    if largest < section.min_largest_cluster * num_samples:
        return BandDecision.NO_CONSENSUS
    return BandDecision.ADMITTED
