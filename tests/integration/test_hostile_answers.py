"""Answers that are made to hang, kill or confuse whatever reads them.

How long each takes is measured by bench/hostile.py; here one that runs away ends by its timeout.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from empo_serve.config import SemanticsSection
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.embedding import guard
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.math_workers import MathWorkers
from empo_serve.semantics.rules import RulesEquivalence

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]

QUESTION = "What is the value of x?"
HOSTILE = {
    "tower of powers": "9**9**9",
    "tower in LaTeX": "$9^{9^{9^{9}}}$",
    "factorial": "(10^9)!",
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
    "10,000 items": "a, " * 10_000,
    "list of letters": "a-" * 900 + "a",
    "spaces": " " * 100_000 + "x",
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


@pytest.fixture(scope="module")
def rules() -> Iterator[RulesEquivalence]:
    equivalence = RulesEquivalence(SemanticsSection())
    equivalence.load()
    yield equivalence
    equivalence.close()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_clustered_and_the_pool_lives_on(
    rules: RulesEquivalence, text: str
) -> None:
    answer = extract_answer(QUESTION, text)
    ids = semantic_ids(QUESTION, [answer, text, "42", "\\frac{84}{2}"], rules)
    guard(QUESTION, answer, "It is the number that solves the equation.")
    assert len(ids) == 4
    # Whoever had to be killed for it has a successor.
    assert rules.same(QUESTION, [("\\frac{1}{2}", "0.5")])[0].same is True


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_question_makes_different_answers_no_equals(
    rules: RulesEquivalence, text: str
) -> None:
    assert rules.same(text, [("Paris", "London")])[0].same is not True
    guard(text, "It rises with the price of coal.", "The price of coal makes it go down.")


def test_a_text_that_killed_a_worker_is_not_sent_to_another_one() -> None:
    workers = MathWorkers(1, 3.0)
    workers.load()
    hostile = HOSTILE["tower in LaTeX"]
    try:
        assert workers.same([(hostile, "1")])[0].method == "math_timeout"
        # The innocent side is compared as before, by the killed one's successor.
        assert workers.same([("1", "\\frac{2}{2}")])[0].same is True
    finally:
        workers.close()
    # Nobody is left who could be asked, and nobody is.
    assert workers.same([(hostile, "2")])[0].method == "math_timeout"
    with pytest.raises(RuntimeError):
        workers.same([("1", "2")])
