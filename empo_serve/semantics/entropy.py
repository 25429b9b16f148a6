"""Semantic entropy of the answers to one question, in nats.

Farquhar et al., "Detecting hallucinations in large language models using semantic entropy",
Nature 630 (2024); EMPO (arXiv 2504.05812), section 3.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence


def semantic_entropy(semantic_ids: Sequence[int]) -> float:
    """Discrete semantic entropy: -sum_c p_c ln p_c with p_c = cluster size / N.

    `semantic_ids[i]` is the cluster of sample i; any labels do. Raises ValueError without samples.
    It is the maximum-likelihood ("plug-in") estimate and on average too low for few samples.
    """
    if not semantic_ids:
        raise ValueError("semantic entropy needs at least one sample")
    num_samples = len(semantic_ids)
    return _entropy(size / num_samples for size in Counter(semantic_ids).values())


def miller_madow_entropy(semantic_ids: Sequence[int]) -> float:
    """Discrete semantic entropy, corrected for few samples: + (clusters - 1) / 2N, at most ln N.

    Miller, "Note on the bias of information estimates" (1955): the first term of the plug-in
    estimate's bias. Groups in which most answers differ would pass ln N, the largest value that
    N samples can show, so it is clipped there. One cluster stays 0. Raises as semantic_entropy.
    """
    entropy = semantic_entropy(semantic_ids)
    num_samples = len(semantic_ids)
    correction = (len(set(semantic_ids)) - 1) / (2 * num_samples)
    return min(entropy + correction, math.log(num_samples))


def rao_semantic_entropy(semantic_ids: Sequence[int], mean_logprobs: Sequence[float]) -> float:
    """Likelihood-weighted semantic entropy: cluster probabilities are sums of exp(s_i), normalised.

    `mean_logprobs[i]` is s_i, the mean log-probability of the tokens of sample i. Raises ValueError
    when the lengths differ, a value is not finite, or there are no samples.
    """
    if len(semantic_ids) != len(mean_logprobs):
        raise ValueError(
            f"{len(semantic_ids)} semantic ids but {len(mean_logprobs)} mean log-probabilities"
        )
    if not semantic_ids:
        raise ValueError("semantic entropy needs at least one sample")
    if not all(math.isfinite(s) for s in mean_logprobs):
        raise ValueError("mean log-probabilities must be finite")
    # Shifted by the maximum: sequence log-likelihoods near -2000 would underflow to 0 otherwise.
    shift = max(mean_logprobs)
    weights: dict[int, list[float]] = {}
    for semantic_id, s in zip(semantic_ids, mean_logprobs, strict=True):
        weights.setdefault(semantic_id, []).append(math.exp(s - shift))
    # fsum is exact, so that neither sum depends on the order of the samples.
    total = math.fsum(w for cluster in weights.values() for w in cluster)
    return _entropy(math.fsum(cluster) / total for cluster in weights.values())


def normalized_entropy(entropy: float, num_samples: int) -> float:
    """`entropy` / ln(num_samples), in [0, 1]; 0 for a single sample, where ln N is 0."""
    if num_samples <= 1:
        return 0.0
    return min(1.0, max(0.0, entropy / math.log(num_samples)))


def confidence(entropy: float, num_samples: int) -> float | None:
    """1 - normalised entropy; None for a single sample, which says nothing of certainty."""
    if num_samples <= 1:
        return None
    return 1.0 - normalized_entropy(entropy, num_samples)


def _entropy(probabilities: Iterable[float]) -> float:
    # The clamp turns the -0.0 of a single cluster into 0.0; a weight may have underflowed to 0.
    return max(0.0, -math.fsum(p * math.log(p) for p in probabilities if p > 0)) + 0.0
