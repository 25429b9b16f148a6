from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.cluster import Order, semantic_ids
from empo_serve.semantics.entropy import semantic_entropy

GOLDEN: dict[str, Any] = {
    case["id"]: case
    for case in json.loads((Path(__file__).parent / "golden/semantics.json").read_text())["cases"]
}


class Relation:
    """An equivalence given by a function, which also remembers what it was asked."""

    def __init__(self, same: Callable[[str, str], bool | None]) -> None:
        self._same = same
        self.asked: list[tuple[str, str]] = []

    def load(self) -> None: ...

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        self.asked += pairs
        return [Verdict(self._same(a, b), "relation") for a, b in pairs]

    def close(self) -> None: ...


def same_case(a: str, b: str) -> bool:
    return a.casefold() == b.casefold()


ANSWERS = st.lists(st.sampled_from(["", " ", "a", "A", "b", "B", "c", "dd", "DD"]), max_size=12)


# Two of these are the same or not at random: symmetric, and as far from transitive as can be.
RELATIONS = st.sets(st.tuples(st.sampled_from("aAbBc"), st.sampled_from("aAbBc")))


def groups_of(answers: Sequence[str], ids: Sequence[int]) -> set[tuple[str, ...]]:
    members: dict[int, list[str]] = {}
    for answer, i in zip(answers, ids, strict=True):
        members.setdefault(i, []).append(answer.strip())
    return {tuple(sorted(m)) for m in members.values() if m != [""]}


@given(ANSWERS)
def test_ids_are_numbered_by_first_appearance(answers: list[str]) -> None:
    ids = semantic_ids("q", answers, Relation(same_case))
    assert len(ids) == len(answers)
    seen: list[int] = []
    for i in ids:
        if i not in seen:
            seen.append(i)
    assert seen == list(range(len(seen)))


@given(ANSWERS)
def test_clusters_are_the_classes_of_an_equivalence(answers: list[str]) -> None:
    ids = semantic_ids("q", answers, Relation(same_case))
    for a, i in zip(answers, ids, strict=True):
        for b, j in zip(answers, ids, strict=True):
            if a.strip() and b.strip():
                assert (i == j) == same_case(a.strip(), b.strip())


@given(ANSWERS)
def test_an_empty_answer_is_alone(answers: list[str]) -> None:
    ids = semantic_ids("q", answers, Relation(lambda a, b: True))
    for answer, i in zip(answers, ids, strict=True):
        if not answer.strip():
            assert ids.count(i) == 1


@given(ANSWERS, st.randoms(), RELATIONS)
def test_the_order_of_the_samples_does_not_matter(
    answers: list[str], rng: Any, equal: set[tuple[str, str]]
) -> None:
    relation = Relation(lambda a, b: (a, b) in equal or (b, a) in equal)
    shuffled = list(answers)
    rng.shuffle(shuffled)
    assert groups_of(answers, semantic_ids("q", answers, relation)) == groups_of(
        shuffled, semantic_ids("q", shuffled, relation)
    )


@given(ANSWERS, st.permutations("pqrstuvw"))
def test_other_names_for_the_answers_give_the_same_clusters(
    answers: list[str], names: list[str]
) -> None:
    renamed = dict(zip(["a", "A", "b", "B", "c", "dd", "DD"], names, strict=False))
    back = {new: old for old, new in renamed.items()}
    relation = Relation(lambda a, b: same_case(back[a], back[b]))
    assert semantic_ids("q", [renamed.get(a, a) for a in answers], relation) == semantic_ids(
        "q", answers, Relation(same_case)
    )


@given(ANSWERS, RELATIONS, st.sampled_from(["frequency", "reference"]))
def test_any_relation_gives_a_partition_in_which_each_answer_matches_its_representative(
    answers: list[str], equal: set[tuple[str, str]], order: Order
) -> None:
    relation = Relation(lambda a, b: (a, b) in equal or (b, a) in equal)
    clusters = groups_of(answers, semantic_ids("q", answers, relation, order))
    texts = [text for cluster in clusters for text in cluster]
    assert sorted(texts) == sorted(a.strip() for a in answers if a.strip())
    for cluster in clusters:
        assert any(
            all(a == b or (a, b) in equal or (b, a) in equal for b in cluster) for a in cluster
        )
    # Equal texts are in one cluster, and no other holds them.
    assert len({text for cluster in clusters for text in set(cluster)}) == sum(
        len(set(cluster)) for cluster in clusters
    )


@given(ANSWERS, RELATIONS)
def test_each_pair_of_different_texts_is_compared_once_at_most(
    answers: list[str], equal: set[tuple[str, str]]
) -> None:
    relation = Relation(lambda a, b: (a, b) in equal or (b, a) in equal)
    ids = semantic_ids("q", answers, relation)
    assert len(relation.asked) == len(set(relation.asked))
    assert all(a < b for a, b in relation.asked)
    num_texts = len({a.strip() for a in answers} - {""})
    num_clusters = len({i for a, i in zip(answers, ids, strict=True) if a.strip()})
    assert len(relation.asked) <= num_texts * num_clusters


def test_a_non_transitive_relation_gives_one_partition_for_every_order() -> None:
    case = GOLDEN["cluster_non_transitive_order"]
    equal = {tuple(pair) for pair in case["inputs"]["equivalent_pairs"]}
    relation = Relation(lambda a, b: (a, b) in equal or (b, a) in equal)
    partitions = [
        groups_of(row["order"], semantic_ids("q", row["order"], relation))
        for row in case["expected"]["rows"]
    ]
    assert all(partition == partitions[0] for partition in partitions)


def test_in_reference_order_the_clusters_are_those_of_the_published_code() -> None:
    case = GOLDEN["cluster_non_transitive_order"]
    equal = {tuple(pair) for pair in case["inputs"]["equivalent_pairs"]}
    relation = Relation(lambda a, b: (a, b) in equal or (b, a) in equal)
    for row in case["expected"]["rows"]:
        ids = semantic_ids("q", row["order"], relation, order="reference")
        assert ids == row["ids_first_match"]
        assert semantic_entropy(ids) == pytest.approx(row["H_first_match"], abs=1e-6)


def test_the_most_frequent_answer_leads() -> None:
    # b matches a and c, which do not match each other; b is frequent, so it collects both.
    relation = Relation(lambda a, b: "b" in (a, b))
    assert semantic_ids("q", ["a", "b", "b", "c"], relation) == [0, 0, 0, 0]


def test_equal_texts_are_not_compared() -> None:
    relation = Relation(same_case)
    assert semantic_ids("q", ["Paris"] * 7 + ["Lyon"], relation) == [0] * 7 + [1]
    assert relation.asked == [("Lyon", "Paris")]
    unanimous = Relation(same_case)
    semantic_ids("q", ["Paris", "Paris ", "", "Paris"], unanimous)
    assert unanimous.asked == []


def test_an_unknown_verdict_keeps_answers_apart() -> None:
    assert semantic_ids("q", ["a", "b"], Relation(lambda a, b: None)) == [0, 1]
