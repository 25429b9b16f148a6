from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.entropy import (
    confidence,
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


def test_entropy_of_a_group_with_empty_answers_equals_the_reference() -> None:
    expected = GOLDEN["empo_trl_math_mixed_with_empty"]["expected"]
    assert semantic_entropy(expected["semantic_ids"]) == pytest.approx(expected["entropy_nats"])


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


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.randoms())
def test_entropy_is_bounded_and_blind_to_order_and_labels(ids: list[int], rng: Any) -> None:
    entropy = semantic_entropy(ids)
    assert 0.0 <= entropy <= math.log(len(ids)) + 1e-12
    shuffled = [i * 7 + 3 for i in ids]
    rng.shuffle(shuffled)
    assert semantic_entropy(shuffled) == pytest.approx(entropy, abs=1e-12)
    assert rao_semantic_entropy(ids, [-1.5] * len(ids)) == pytest.approx(entropy, abs=1e-9)
