from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.cache import CachedEquivalence


class Counting:
    """Says same for texts of equal length; remembers each pair that it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def load(self) -> None: ...

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        self.asked += [(question, *pair) for pair in pairs]
        return [Verdict(len(a) == len(b), f"{question}: {a} {b}") for a, b in pairs]

    def close(self) -> None: ...


TEXTS = st.sampled_from(["a", "b", "aa", "bb", "c", "\ud800"])


@given(st.lists(st.tuples(st.sampled_from("qr"), st.lists(st.tuples(TEXTS, TEXTS)))))
def test_verdicts_are_those_of_the_equivalence_behind_and_each_pair_costs_once(
    calls: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    behind = Counting()
    cached = CachedEquivalence(behind)
    for question, pairs in calls:
        direct = Counting().same(question, [(min(pair), max(pair)) for pair in pairs])
        assert cached.same(question, pairs) == direct
    assert len(behind.asked) == len(set(behind.asked)) == cached.calls


def test_both_orders_are_one_pair_and_another_question_is_another() -> None:
    cached = CachedEquivalence(Counting())
    assert cached.same("q", [("a", "b"), ("b", "a")]) == cached.same("q", [("b", "a")]) * 2
    assert cached.calls == 1
    cached.same("r", [("a", "b")])
    assert cached.calls == 2


@pytest.mark.parametrize("other", [("ab", "c"), ("a", "b c"), ("a\0", "bc")])
def test_texts_that_join_to_the_same_are_not_mixed_up(other: tuple[str, str]) -> None:
    cached = CachedEquivalence(Counting())
    cached.same("q", [("a", "bc")])
    assert cached.same("q", [other]) == Counting().same("q", [other])


def test_the_pairs_used_last_are_kept() -> None:
    cached = CachedEquivalence(Counting(), max_verdicts=2)
    cached.same("q", [("a", "b"), ("a", "c")])
    cached.same("q", [("a", "b"), ("b", "c")])  # ("a", "c") goes
    cached.same("q", [("a", "b"), ("b", "c")])
    assert cached.calls == 3
    cached.same("q", [("a", "c")])
    assert cached.calls == 4


def test_more_pairs_at_once_than_are_kept_still_get_their_verdicts() -> None:
    cached = CachedEquivalence(Counting(), max_verdicts=1)
    pairs = [("a", "b"), ("a", "c"), ("aa", "bb"), ("a", "b")]
    assert cached.same("q", pairs) == Counting().same("q", pairs)


def test_nothing_is_known_after_clear() -> None:
    cached = CachedEquivalence(Counting())
    cached.same("q", [("a", "b")])
    cached.clear()
    cached.same("q", [("a", "b")])
    assert cached.calls == 2
