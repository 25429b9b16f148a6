"""What kind of thing an answer says that something is."""

from __future__ import annotations

import pytest

from empo_serve.semantics.kinds import is_kind, says_kind
from empo_serve.semantics.yes_no import polarity


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        ("Are bats birds?", "Bats are mammals.", False),
        ("Is a whale a fish?", "It's a mammal", False),
        ("Is a tomato a fruit?", "It is a berry.", True),
        ("Is he a doctor?", "He is a surgeon", True),
        ("Is he a famous doctor?", "He is a surgeon", None),
        ("Is glass an electrical conductor at room temperature?", "It is an insulator.", False),
        ("Is gold a metal?", "It is an element", None),  # some elements are metals
        ("Is Pluto a planet?", "It is a dwarf planet", None),
        ("Is a banana a berry?", "A banana is a fruit", None),
        ("Is a violin a wind instrument?", "It is a string instrument", None),
        ("Is the Moon larger than Mars?", "Mars is a planet", None),
        ("Is water wet?", "Water is a liquid", None),
        ("Are bats birds?", "Cats are mammals", None),
        ("Is Africa a country?", "Africa is one", None),
        ("Is it possible to have a triangle with two obtuse angles?", "It's possible", None),
    ],
)
def test_another_kind_says_no_unless_one_is_a_kind_of_the_other(
    question: str, answer: str, says: bool | None
) -> None:
    assert says_kind(question, answer) is says


def test_a_question_of_many_words_asks_for_no_kind() -> None:
    """The pattern of such a question looks on from each of its words."""
    assert says_kind("Is a " + "very " * 20 + "big bat a bird?", "It is a mammal.") is False
    assert says_kind("Is a " + "very " * 200 + "big bat a bird?", "It is a mammal.") is None


def test_kinds_go_up_over_several_meanings() -> None:
    assert is_kind("whale", "animal")
    assert not is_kind("animal", "whale")
    assert not is_kind("no such noun", "animal")


def test_a_denied_kind_is_no_answer_of_its_own() -> None:
    assert polarity("Is a whale a fish?", "It is a mammal.") is False
    assert polarity("Is a whale a mammal?", "It is not a fish.") is not True
