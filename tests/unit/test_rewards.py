from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.train.rewards import empo_rewards, has_signal

VECTORS = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "golden" / "train_vectors.json").read_text(encoding="utf-8")
    )["cases"]
}

groups = st.lists(st.integers(0, 4), min_size=2, max_size=12)


def answers_of(semantic_ids: list[int]) -> list[str]:
    return [f"answer {c}" for c in semantic_ids]


@pytest.mark.parametrize(
    "case",
    [c for i, c in VECTORS.items() if i.startswith("empo_trl_math") and "rewards" in c["expected"]],
    ids=lambda c: c["id"],
)
def test_rewards_equal_those_of_the_reference(case: dict[str, Any]) -> None:
    # The mathematical reward of the reference gives 0, not a penalty, to an empty answer.
    rewards = empo_rewards(
        case["expected"]["semantic_ids"], case["inputs"]["predictions"], "prob", empty_reward=0.0
    )
    assert rewards == pytest.approx(case["expected"]["rewards"], abs=1e-6)
    assert has_signal(rewards) is not case["expected"]["zero_signal"]


@pytest.mark.parametrize(("kind", "key"), [("prob", "entropy"), ("majority", "voting")])
def test_rewards_equal_those_of_the_second_reference(kind: Any, key: str) -> None:
    case = VECTORS["empo_verl_reward_types"]
    predictions, expected = case["inputs"]["predictions"], case["expected"]
    rewards = empo_rewards(expected["semantic_ids_first_match"], predictions, kind)
    # That one treats an empty answer as a cluster of its own; here it never is one.
    assert [r for r, p in zip(rewards, predictions, strict=True) if p] == pytest.approx(
        [r for r, p in zip(expected[key], predictions, strict=True) if p]
    )
    assert [r for r, p in zip(rewards, predictions, strict=True) if not p] == [-0.5, -0.5]


@pytest.mark.parametrize(
    "row",
    VECTORS["partition_table_G8"]["expected"]["rows"],
    ids=lambda row: "+".join(map(str, row["cluster_sizes"])),
)
def test_every_pattern_of_eight_has_the_expected_advantages(row: dict[str, Any]) -> None:
    ids = [c for c, size in enumerate(row["cluster_sizes"]) for _ in range(size)]
    rewards = empo_rewards(ids, answers_of(ids))
    mean = sum(rewards) / 8
    assert [min(rewards) - mean, max(rewards) - mean] == pytest.approx(row["adv_unscaled_minmax"])
    assert has_signal(rewards) is not row["zero_signal"]
    loo = sorted({round(r, 6) for r in empo_rewards(ids, answers_of(ids), "loo")})
    assert loo == pytest.approx(row["loo_rewards_unique"])


def test_majority_equals_that_of_ttrl_but_for_ties() -> None:
    case = VECTORS["ttrl_majority_tie"]
    predictions = case["inputs"]["predictions"]
    ids = [sorted(set(predictions)).index(p) for p in predictions]
    rewards = empo_rewards(ids, predictions, "majority")
    # The reference takes the first of the largest clusters for the label; here all of them win.
    for reward, theirs, prediction in zip(
        rewards, case["expected"]["rewards"], predictions, strict=True
    ):
        assert reward == (1.0 if prediction == "a" else theirs)


def test_no_group_size_keeps_a_group_that_floating_point_would_keep() -> None:
    sizes = VECTORS["empo_trl_math_all_distinct_float_fragility"]["expected"]
    for size in sizes["G_where_reference_wrongly_keeps_group"]:
        ids = list(range(size))
        assert empo_rewards(ids, answers_of(ids)) == [0.0] * size


@pytest.mark.parametrize("kind", ["prob", "logprob", "loo", "majority", "random"])
def test_a_copy_of_the_question_gets_the_least_that_an_answer_can(kind: Any) -> None:
    ids = [0, 0, 0, 0, 1, 1, 2, 3]
    plain = empo_rewards(ids, answers_of(ids), kind)
    copies = [i in (0, 1, 2, 3) for i in range(8)]
    rewards = empo_rewards(ids, answers_of(ids), kind, copies=copies)
    assert rewards[4:] == plain[4:]  # they count in their cluster all the same
    assert rewards[:4] == [math.log(1 / 8) if kind == "logprob" else 0.0] * 4
    assert max(rewards[:4]) <= min(rewards)


def test_a_copy_without_an_answer_has_no_answer() -> None:
    assert empo_rewards([0, 1, 1], ["", "x", "x"], copies=[True, False, False])[0] == -0.5


def test_logprob_is_the_logarithm_of_prob() -> None:
    ids = [0, 0, 0, 1]
    assert empo_rewards(ids, answers_of(ids), "logprob") == pytest.approx(
        [math.log(0.75)] * 3 + [math.log(0.25)]
    )


def test_majority_rewards_every_tied_cluster() -> None:
    ids = [0, 1, 0, 1, 2]
    assert empo_rewards(ids, answers_of(ids), "majority") == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("kind", ["prob", "logprob", "loo", "majority", "random"])
def test_empty_answers_are_no_cluster_even_with_one_id(kind: Any) -> None:
    rewards = empo_rewards([0, 0, 0, 1, 1], ["", "", "", "x", "x"], kind, empty_reward=-0.25)
    assert rewards[:3] == [-0.25] * 3
    if kind != "random":
        assert rewards[3] == rewards[4] > -1
    if kind in ("prob", "majority"):
        assert rewards[3] == (0.4 if kind == "prob" else 1.0)


@pytest.mark.parametrize("size", range(2, 33))
def test_all_distinct_answers_have_no_signal_for_any_group_size(size: int) -> None:
    ids = list(range(size))
    for kind in ("prob", "logprob", "loo", "majority"):
        assert not has_signal(empo_rewards(ids, answers_of(ids), kind))  # type: ignore[arg-type]
    assert empo_rewards(ids, answers_of(ids)) == [0.0] * size


def test_random_depends_on_the_seed_alone() -> None:
    first = empo_rewards([0, 0, 1], ["a", "a", "b"], "random", seed=1)
    assert first == empo_rewards([0, 1, 2], ["c", "d", "e"], "random", seed=1)
    assert first != empo_rewards([0, 0, 1], ["a", "a", "b"], "random", seed=2)
    assert all(0 <= r < 1 for r in first)


@given(groups)
def test_signal_is_there_unless_all_clusters_have_one_size(ids: list[int]) -> None:
    sizes = {ids.count(c) for c in ids}
    for kind in ("prob", "logprob", "loo"):
        rewards = empo_rewards(ids, answers_of(ids), kind)  # type: ignore[arg-type]
        assert has_signal(rewards) is (len(sizes) > 1)


@given(groups, st.randoms())
def test_rewards_do_not_depend_on_order_or_numbering(ids: list[int], rng: Any) -> None:
    order = rng.sample(range(len(ids)), len(ids))
    names = dict(zip(range(5), rng.sample(range(5), 5), strict=True))
    shuffled = [names[ids[i]] for i in order]
    rewards = empo_rewards(ids, answers_of(ids))
    assert empo_rewards(shuffled, answers_of(shuffled)) == [rewards[i] for i in order]


@given(groups)
def test_leave_one_out_ranks_samples_as_prob_does(ids: list[int]) -> None:
    prob, loo = (empo_rewards(ids, answers_of(ids), k) for k in ("prob", "loo"))  # type: ignore[arg-type]
    for i in range(len(ids)):
        for j in range(len(ids)):
            assert (prob[i] < prob[j]) is (loo[i] < loo[j])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="2 semantic ids for 1 answers"):
        empo_rewards([0, 0], ["a"])
    with pytest.raises(ValueError, match="1 marks of copies for 2 answers"):
        empo_rewards([0, 0], ["a", "a"], copies=[True])
    with pytest.raises(ValueError, match="unknown reward 'best'"):
        empo_rewards([0, 0], ["", ""], "best")  # type: ignore[arg-type]


def test_no_rewards_have_no_signal() -> None:
    assert not has_signal([])
