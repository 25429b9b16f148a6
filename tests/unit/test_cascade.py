from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.config import SemanticsSection, load_config
from empo_serve.errors import ConfigError, ScorerError, StartupError
from empo_serve.semantics.base import UNDECIDED, Equivalence, Verdict
from empo_serve.semantics.cache import CachedEquivalence
from empo_serve.semantics.cascade import Cascade, make_equivalence
from empo_serve.semantics.cluster import semantic_ids


class Stage:
    """Gives each pair the verdict that stands in a table, and remembers what it was asked."""

    def __init__(self, name: str, table: dict[tuple[str, str], bool | None]) -> None:
        self._name = name
        self._table = table
        self.asked: list[tuple[str, str]] = []

    def load(self) -> None: ...

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        self.asked += pairs
        return [Verdict(self._table[pair], self._name) for pair in pairs]

    def close(self) -> None: ...


PAIRS = [("a", "b"), ("c", "d"), ("e", "f")]
TABLES = st.lists(
    st.tuples(*[st.sampled_from([True, False, None])] * len(PAIRS)), min_size=1, max_size=4
)


@given(TABLES)
def test_the_first_stage_that_decides_is_right_and_what_none_decides_is_different(
    tables: list[tuple[bool | None, ...]],
) -> None:
    stages = [Stage(f"s{i}", dict(zip(PAIRS, t, strict=True))) for i, t in enumerate(tables)]
    verdicts = Cascade(stages).same("q", PAIRS)
    for column, pair in enumerate(PAIRS):
        said = [(table[column], f"s{i}") for i, table in enumerate(tables)]
        decided = [s for s in said if s[0] is not None]
        expected = decided[0] if decided else (False, said[-1][1])
        assert (verdicts[column].same, verdicts[column].method) == expected
        num_asked = said.index(decided[0]) + 1 if decided else len(said)
        assert [pair in stage.asked for stage in stages] == [
            i < num_asked for i in range(len(stages))
        ]


def test_mathematics_that_could_not_be_read_stays_unknown() -> None:
    after = Stage("embedding", {("a", "b"): True})
    assert Cascade([Stage("math", {("a", "b"): None}), after]).same("q", [("a", "b")]) == [
        Verdict(None, "math")
    ]
    assert after.asked == []


class Endless(Stage):
    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        raise ScorerError("comparing takes too long")


@pytest.mark.parametrize("remembered", [False, True])
def test_no_stage_decides_for_mathematics_that_came_to_no_end(remembered: bool) -> None:
    after = Stage("judge", {("a", "b"): True, ("a", "c"): True})
    cascade: Equivalence = Cascade([Endless("math", {}), after])
    if remembered:
        cascade = CachedEquivalence(cascade)
    for _ in range(2):  # nor is it different when it comes again
        with pytest.raises(ScorerError, match="too long"):
            semantic_ids("q", ["a", "b", "c"], cascade)
    assert after.asked == []


def test_a_stage_with_nothing_to_say_leaves_the_name_of_the_one_before() -> None:
    silent = Stage(UNDECIDED.method, {("a", "b"): None})
    stages = [Stage("embedding", {("a", "b"): None}), silent]
    assert Cascade(stages).same("q", [("a", "b")]) == [Verdict(False, "embedding")]


def test_nli_without_a_model_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"needs semantics.nli_model"):
        load_config(overrides=["semantics.equivalence=nli"], env={})


@pytest.mark.parametrize(
    "settings",
    [
        ["semantics.judge_url=http://h/v1"],
        ["semantics.judge_model=m"],
        ["semantics.judge_api_key_env=KEY"],
    ],
)
def test_half_a_judge_is_a_mistake_in_the_configuration(settings: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"semantics\.judge_url"):
        load_config(overrides=settings, env={})


def test_a_judge_alone_needs_somebody_to_ask() -> None:
    with pytest.raises(StartupError, match="judge_url"):
        make_equivalence(SemanticsSection(equivalence="judge"))
