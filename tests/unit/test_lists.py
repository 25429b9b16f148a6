from __future__ import annotations

import pytest

from empo_serve.semantics.echo import asked_stems
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.reading import read
from empo_serve.semantics.rules import compare

MARGARITA = "Which ingredients go into a classic margarita?"


def items(question: str, text: str) -> list[str]:
    return sorted(list_items(extract_answer(question, text), asked_stems(question)))


@pytest.mark.parametrize(
    "text",
    [
        "tequila, triple sec and lime juice",
        "* Tequila\n* Triple sec\n* Lime juice",
        "1) Tequila 2) Triple sec 3) Lime juice",
        "lime juice; tequila; triple sec",
        "You need tequila, lime juice and triple sec.",
        "It's made with tequila, triple sec, and lime juice.",
        "Tequila and lime juice, plus triple sec",
        "Tequila, triple sec as well as lime juice",
        "tequila + triple sec + lime juice",
        "Tequila (50 ml), triple sec (20 ml) and lime juice (30 ml)",
        "A margarita has three ingredients: tequila, triple sec and lime juice.",
        "Only three ingredients, tequila, triple sec and lime juice, go into a margarita.",
    ],
)
def test_an_enumeration_in_any_form_has_the_same_items(text: str) -> None:
    assert items(MARGARITA, text) == ["lime juice", "tequila", "triple sec"]


@pytest.mark.parametrize(
    ("question", "a", "b", "same"),
    [
        ("Which days begin with T?", "Tuesday and Thursday", "Both Thursday and Tuesday do.", True),
        ("Which days begin with T?", "Tuesday and Thursday", "Tuesday and Sunday", False),
        ("Name the states of matter.", "solids, liquids, gases", "Gas, liquid and solid", True),
        ("Name the noble gases.", "He, Ne, Ar", "helium, neon, argon", True),
        ("Name the noble gases.", "He, Ne, Ar", "helium, neon, krypton", False),
        ("Which planets have no moons?", "Mercury and Venus",
         "Mercury and Venus are the only ones without moons.", True),
        ("Which of the numbers 4, 7, 9, 11 are prime?", "seven and eleven", "Only 7 and 11 are.",
         True),
        ("Which of the numbers 4, 7, 9, 11 are prime?", "7, 9 and 11", "7 and 11", False),
        ("Solve (x-2)(x+5) = 0.", "x = 2 or x = -5", "x ∈ {2, −5}", True),
        ("Solve (x-2)(x+5) = 0.", "$x = -5$ and $x = 2$", "The solutions are 2 and -5.", True),
        ("Solve (x-2)(x+5) = 0.", "x = 2 or x = -5", "x = -2 or x = 5", False),
        ("Solve x^2 = 49.", "x = ±7", "7 and -7", True),
        ("Solve x^2 = 49.", "x = ±7", "x = 7", False),
        ("Sort in ascending order: 8, 3, 5.", "3 < 5 < 8", "three, five, eight", True),
        ("Sort in ascending order: 8, 3, 5.", "[3, 5, 8]", "[8, 5, 3]", False),
    ],
)  # fmt: skip
def test_lists_are_the_same_when_their_items_are(question: str, a: str, b: str, same: bool) -> None:
    one, other = read(question, a), read(question, b)
    assert bool(compare(one, other).same) == same
    assert compare(one, other) == compare(other, one)
