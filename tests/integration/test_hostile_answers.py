"""Answers that are made to hang, kill or confuse whatever reads them.

How long each takes is measured by bench/hostile.py; here one that runs away ends by its timeout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.embedding import guard
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.math_workers import MathWorkers, same_mathematics
from empo_serve.semantics.rules import RulesEquivalence

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]

QUESTION = "What is the value of x?"
HOSTILE = {
    "tower of powers": "9**9**9",
    "tower in LaTeX": "$9^{9^{9^{9}}}$",
    "factorial": "(10^9)!",
    "an integral": r"$\int_0^1 e^{e^{e^x}} \sin(x^{x^x}) dx$",
    "1 MB of LaTeX": "\\frac{1}{2}+" * 80_000 + "1",
    "1 MB of open boxes": "\\boxed{" * 140_000,
    "1 MB of braces": "{" * 1_000_000,
    "deep nesting": "\\boxed{" + "(" * 5000 + "1" + ")" * 5000 + "}",
    "deep fractions": "\\frac{1}{" * 400 + "2" + "}" * 400,
    "deep JSON": '{"answer": ' * 5000 + "1" + "}" * 5000,
    "open thoughts": "<think>" * 100_000,
    "NUL": "4\x002",
    "lone surrogates": "\ud800\udfff 42 \ud83d",
    "10,000 commas": "," * 10_000,
    "an open list of 20,000": "['a'," * 20_000,
    "10,000 items": "a, " * 10_000,
    "list of letters": "a-" * 900 + "a",
    "spaces": " " * 100_000 + "x",
    # A little less than the end that is looked at: else they are at its edge, and stripped.
    "spaces within": "a" + " " * 90_000 + "x",
    "lines within": "a" + "\n" * 90_000 + "x",
    "abbreviations": "i.e. " * 20_000,
    "who is who": "x " + "who is " * 10_000,
    "many beliefs": "some people think " * 5_000,
    "many sentences": "It is. " * 10_000,
    "many numbers": "one two " * 5_000,
    "digits": "9" * 100_000,
    "words without an end": "because " * 20_000,
    "quotes": '"' * 50_000,
    "emphasis": "**a" * 30_000,
    "markers": "Answer: " * 20_000,
    "equals": "x = " * 20_000,
    "combining marks": "a" + "\u0301" * 50_000,
    "capitals": "Van Der " * 20_000,
    "conditions": "as if when " * 10_000 + "it rises",
}
WITHOUT_END = {HOSTILE["tower in LaTeX"]}
SLOW = {HOSTILE["an integral"]}  # ends after about as long as it may take, sooner or later
TOWER = HOSTILE["tower in LaTeX"]
FOR_SYMPY = ("x^2 + y^2 = 1", "y^2 + x^2 = 1")  # nobody else reads equations


@pytest.fixture(scope="module")
def rules() -> Iterator[RulesEquivalence]:
    equivalence = RulesEquivalence(SemanticsSection())
    equivalence.load()
    yield equivalence
    equivalence.close()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_clustered_or_not_scored_and_the_pool_lives_on(
    rules: RulesEquivalence, text: str
) -> None:
    answer = extract_answer(QUESTION, text)
    group = [answer, text, "42", "\\frac{84}{2}"]
    if text in WITHOUT_END:
        with pytest.raises(ScorerError, match="too"):
            semantic_ids(QUESTION, group, rules)
    elif text in SLOW:
        with suppress(ScorerError):
            semantic_ids(QUESTION, group, rules)
    else:
        assert len(semantic_ids(QUESTION, group, rules)) == 4
    guard(QUESTION, answer, "It is the number that solves the equation.")
    # Whoever had to be killed for it has a successor.
    assert rules.same(QUESTION, [FOR_SYMPY])[0].same is True


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_question_makes_different_answers_no_equals(
    rules: RulesEquivalence, text: str
) -> None:
    assert rules.same(text, [("Paris", "London")])[0].same is not True
    guard(text, "It rises with the price of coal.", "The price of coal makes it go down.")


def test_who_is_who_is_who_is_read_at_once() -> None:
    # Of a person, each copula could be the one that parts name and description.
    text = "x " + "who is " * 10_000 + "Ana."
    assert extract_answer("Who was it?", text).endswith("Ana")


@pytest.fixture
def workers() -> Iterator[MathWorkers]:
    made = MathWorkers(1, 1.5)
    made.load()
    yield made
    made.close()


def num_workers_started(workers: MathWorkers, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    scheduled: list[object] = []
    schedule = workers._pool.schedule

    def counted(function: object, args: object, timeout: float) -> object:
        scheduled.append(args)
        return schedule(function, args=args, timeout=timeout)

    monkeypatch.setattr(workers._pool, "schedule", counted)
    return scheduled


def test_a_group_ends_with_the_first_comparison_that_is_killed(
    workers: MathWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled = num_workers_started(workers, monkeypatch)
    with pytest.raises(ScorerError, match="with '1' takes too long"):
        workers.same([("1", "1"), (TOWER, "1"), (TOWER, "2"), (TOWER + "+1", "1")])
    assert scheduled == [("1", "1"), (TOWER, "1")]


def test_a_pair_that_killed_a_worker_is_not_sent_to_another_one_and_stays_not_scored(
    workers: MathWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (TOWER, "1")
    messages = []
    for _ in range(2):
        with pytest.raises(ScorerError) as error:
            workers.same([("2", "3"), pair])
        messages.append(str(error.value))
        scheduled = num_workers_started(workers, monkeypatch)
    assert messages[0] == messages[1]
    assert scheduled == []
    monkeypatch.setattr("empo_serve.semantics.math_workers._KILLERS_FOR_S", 0)
    with pytest.raises(ScorerError):
        workers.same([pair])
    assert scheduled == [pair]


def test_a_text_that_met_a_hostile_one_is_compared_as_before(workers: MathWorkers) -> None:
    innocent = "x^{2} + 1"
    with pytest.raises(ScorerError):
        workers.same([(innocent, TOWER)])
    assert workers.same([(innocent, "1 + x^2")]) == [Verdict(True, "math")]


def test_a_worker_that_runs_out_of_memory_leaves_the_pair_without_a_verdict(
    workers: MathWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = workers._pool.schedule
    monkeypatch.setattr(workers._pool, "schedule", lambda _, **how: schedule(_exhausted, **how))
    with pytest.raises(ScorerError, match="too much memory"):
        workers.same([("1", "2")])
    monkeypatch.undo()
    assert workers.same([("1", "3")]) == [Verdict(False, "math")]


def _exhausted(a: str, b: str) -> bool | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("math_verify.parse", _raise_memory_error)
        return same_mathematics(a, b)


def _raise_memory_error(*arguments: object, **options: object) -> None:
    raise MemoryError


def test_a_number_without_end_is_not_scored_and_costs_no_worker(
    rules: RulesEquivalence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules._math, "same", lambda pairs: pytest.fail("a worker was asked"))
    with pytest.raises(ScorerError, match="too many digits"):
        semantic_ids(QUESTION, ["$9^{9^{9}}$", "4", "(10^{100})!"], rules)
    assert semantic_ids(QUESTION, ["$9^{9^{9}}$", "9^{9^{9}}"], rules) == [0, 0]
