from __future__ import annotations

import pytest

from empo_serve.semantics.embedding import guard

QUESTION = "What happened in the story?"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("hot", "cold"),
        ("The train has 5 green wagons now.", "The train has 6 green wagons now."),
        ("The train has five green wagons now.", "The train has six green wagons now."),
        ("He lives in a house near Paris.", "He lives in a house near London."),
        ("Then Ana lent her money to Ben.", "Then Ben lent his money to Ana."),
        ("The board has approved the merger plan.", "The board has not approved the merger plan."),
        ("The cat chases the dog around.", "The dog chases the cat around."),
        ("Its price goes up in the winter.", "Its price goes down in the winter."),
        ("", "The cat chases the dog around."),
    ],
)
def test_similarity_may_not_decide(a: str, b: str) -> None:
    for verdict in (guard(QUESTION, a, b), guard(QUESTION, b, a)):
        assert verdict is not None
        assert not verdict.same


def test_paraphrases_are_left_to_similarity() -> None:
    a = "Because ice is less dense than liquid water."
    b = "Its density is lower than that of the liquid around it."
    assert guard("Why does ice float?", a, b) is None
