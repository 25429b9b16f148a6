"""Entropies against the reference implementations, and the laws that they hold."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.entropy import (
    confidence,
    miller_madow_entropy,
    normalized_entropy,
    rao_semantic_entropy,
    semantic_entropy,
)

GOLDEN: dict[str, Any] = {
    case["id"]: case
    for case in json.loads((Path(__file__).parent / "golden/semantics.json").read_text())["cases"]
}
DISCRETE = [i for i in GOLDEN if i.startswith("se_discrete")]
RAO = [i for i in GOLDEN if i.startswith("se_rao")]
GROUPS = [i for i, case in GOLDEN.items() if "predictions" in case["inputs"]]

IDS = st.lists(st.integers(0, 5), min_size=1, max_size=20)


class CaseInsensitive:
    """The equivalence that the references were executed with."""

    def load(self) -> None: ...

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        return [Verdict(a.casefold() == b.casefold(), "case") for a, b in pairs]

    def close(self) -> None: ...


@pytest.mark.parametrize("case_id", DISCRETE)
def test_discrete_entropy_equals_the_reference(case_id: str) -> None:
    ids = GOLDEN[case_id]["inputs"]["semantic_ids"]
    expected = GOLDEN[case_id]["expected"]
    entropy = semantic_entropy(ids)
    assert entropy == pytest.approx(expected["entropy_nats"], abs=1e-6)
    assert normalized_entropy(entropy, len(ids)) == pytest.approx(expected["entropy_norm_lnN"])
    assert confidence(entropy, len(ids)) == pytest.approx(expected["confidence_1_minus_norm"])


@pytest.mark.parametrize("case_id", RAO)
def test_rao_entropy_equals_the_reference(case_id: str) -> None:
    inputs = GOLDEN[case_id]["inputs"]
    scores = inputs.get("sequence_logliks") or [
        sum(logprobs) / len(logprobs) for logprobs in inputs["token_logprobs"]
    ]
    expected = GOLDEN[case_id]["expected"]["entropy_nats"]
    assert rao_semantic_entropy(inputs["semantic_ids"], scores) == pytest.approx(expected, abs=1e-6)


def test_every_partition_of_eight_has_the_tabled_entropy() -> None:
    for row in GOLDEN["partition_table_G8"]["expected"]["rows"]:
        ids = [i for i, size in enumerate(row["cluster_sizes"]) for _ in range(size)]
        entropy = semantic_entropy(ids)
        assert entropy == pytest.approx(row["H_nats"], abs=1e-6)
        assert normalized_entropy(entropy, 8) == pytest.approx(row["H_norm"], abs=1e-6)


@pytest.mark.parametrize("case_id", GROUPS)
def test_a_group_gets_the_clusters_and_the_entropy_of_the_reference(case_id: str) -> None:
    expected = GOLDEN[case_id]["expected"]
    ids = semantic_ids("q", GOLDEN[case_id]["inputs"]["predictions"], CaseInsensitive())
    assert ids == expected.get("semantic_ids", expected.get("semantic_ids_first_match"))
    shares = [count / len(ids) for count in Counter(ids).values()]
    if "cluster_probs" in expected:
        assert sorted(shares) == pytest.approx(sorted(expected["cluster_probs"]))
    if "entropy_nats" in expected:
        assert semantic_entropy(ids) == pytest.approx(expected["entropy_nats"], abs=1e-6)


def test_discrete_entropy_is_the_frequency_estimate_of_lm_polygraph() -> None:
    case = GOLDEN["lm_polygraph_semantic_entropy"]
    entropy = semantic_entropy(case["inputs"]["semantic_ids"])
    assert entropy == pytest.approx(case["expected"]["frequency_mean"], abs=1e-6)


def test_one_cluster_gives_zero_and_not_minus_zero() -> None:
    for entropy in (semantic_entropy([0, 0, 0]), rao_semantic_entropy([0, 0], [-1.0, -2.0])):
        assert math.copysign(1.0, entropy) == 1.0
        assert entropy == 0.0


def test_a_single_sample_has_no_confidence() -> None:
    assert normalized_entropy(semantic_entropy([0]), 1) == 0.0
    assert confidence(0.0, 1) is None


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        semantic_entropy([])
    with pytest.raises(ValueError, match="at least one"):
        rao_semantic_entropy([], [])


def test_rao_entropy_refuses_what_is_not_a_log_probability() -> None:
    with pytest.raises(ValueError, match="finite"):
        rao_semantic_entropy([0, 1], [-1.0, math.nan])
    with pytest.raises(ValueError, match="2 semantic ids"):
        rao_semantic_entropy([0, 1], [-1.0])


@given(IDS, st.randoms())
def test_entropy_is_bounded_and_blind_to_order_and_labels(ids: list[int], rng: Any) -> None:
    shuffled = [i * 7 + 3 for i in ids]
    rng.shuffle(shuffled)
    for estimate in (semantic_entropy, miller_madow_entropy):
        entropy = estimate(ids)
        assert 0.0 <= entropy <= math.log(len(ids)) + 1e-12
        assert estimate(shuffled) == pytest.approx(entropy, abs=1e-12)
    assert rao_semantic_entropy(ids, [-1.5] * len(ids)) == pytest.approx(
        semantic_entropy(ids), abs=1e-9
    )


@given(IDS, st.integers(1, 5))
def test_one_more_sample_in_the_largest_cluster_lowers_the_entropy(ids: list[int], n: int) -> None:
    largest = max(ids, key=ids.count)
    grown = semantic_entropy(ids + [largest] * n)
    if len(set(ids)) == 1:
        assert grown == 0.0
    else:
        assert grown < semantic_entropy(ids)


@given(IDS)
def test_one_more_sample_that_agrees_with_none_raises_the_entropy(ids: list[int]) -> None:
    assert semantic_entropy([*ids, -1]) > semantic_entropy(ids)


@given(IDS, st.integers(0, 5), st.integers(0, 5))
def test_merging_two_clusters_never_raises_the_entropy(ids: list[int], a: int, b: int) -> None:
    merged = [a if i == b else i for i in ids]
    assert semantic_entropy(merged) <= semantic_entropy(ids) + 1e-12


@given(IDS, st.integers(2, 4))
def test_entropy_depends_on_shares_and_its_correction_shrinks_with_samples(
    ids: list[int], times: int
) -> None:
    assert semantic_entropy(ids * times) == pytest.approx(semantic_entropy(ids), abs=1e-12)
    correction = miller_madow_entropy(ids) - semantic_entropy(ids)
    assert 0.0 <= correction + 1e-12 <= (len(set(ids)) - 1) / (2 * len(ids)) + 2e-12


def test_miller_madow_is_less_biased_than_the_plug_in_estimate() -> None:
    """Exact expectations over every outcome of six draws from a distribution that is known."""
    shares = (0.5, 0.3, 0.2)
    truth = -sum(p * math.log(p) for p in shares)
    plug_in = corrected = 0.0
    for ids in itertools.product(range(3), repeat=6):
        probability = math.prod(shares[i] for i in ids)
        plug_in += probability * semantic_entropy(ids)
        corrected += probability * miller_madow_entropy(ids)
    assert plug_in < truth
    assert abs(corrected - truth) < abs(plug_in - truth) / 2


def test_miller_madow_adds_nothing_to_one_cluster_and_stops_at_the_largest_value() -> None:
    assert miller_madow_entropy([3, 3, 3]) == 0.0
    assert miller_madow_entropy([0, 0, 0, 1]) == pytest.approx(
        semantic_entropy([0, 0, 0, 1]) + 1 / 8
    )
    assert miller_madow_entropy(range(8)) == math.log(8)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-3000, 0)), min_size=1, max_size=12),
    st.floats(-1e6, 1e6),
    st.randoms(),
)
def test_weighted_entropy_is_bounded_and_blind_to_order_and_to_a_common_factor(
    samples: list[tuple[int, float]], shift: float, rng: Any
) -> None:
    ids, logprobs = [i for i, _ in samples], [s for _, s in samples]
    entropy = rao_semantic_entropy(ids, logprobs)
    assert 0.0 <= entropy <= math.log(len(set(ids))) + 1e-9
    rng.shuffle(samples)
    assert rao_semantic_entropy([i for i, _ in samples], [s for _, s in samples]) == pytest.approx(
        entropy, abs=1e-12
    )
    assert rao_semantic_entropy(ids, [s + shift for s in logprobs]) == pytest.approx(
        entropy, abs=1e-6
    )


def test_weighted_entropy_survives_the_extremes_of_floating_point() -> None:
    assert rao_semantic_entropy([0, 1], [-1e308, 1e308]) == 0.0
    assert rao_semantic_entropy([0, 1], [-1e308, -1e308]) == pytest.approx(math.log(2))
