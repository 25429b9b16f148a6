from __future__ import annotations

import pytest

from empo_serve.semantics.contrasts import predicates

QUESTION = "What is the main difference between weather and climate?"


@pytest.mark.parametrize(
    "text",
    [
        "Weather is daily, while climate is typical.",
        "Climate is typical; weather is daily.",
        "The former is daily, whereas the latter is typical.",
    ],
)
def test_each_thing_gets_what_is_said_of_it(text: str) -> None:
    found = predicates(QUESTION, text)
    assert found is not None
    weather, climate = found
    assert "daily" in weather
    assert "typical" not in weather
    assert "typical" in climate
    assert "daily" not in climate


def test_another_form_of_the_word_names_it_too() -> None:
    question = "How does a democracy differ from a dictatorship?"
    found = predicates(question, "Dictators rule alone, but democracies vote.")
    assert found == ("vote", "rule alone")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Why does ice float?", "Weather is daily, while climate is typical."),
        (QUESTION, "Weather is daily."),
        (QUESTION, "They are the same."),
        (QUESTION, ""),
    ],
)
def test_without_a_clause_for_each_there_is_no_contrast(question: str, text: str) -> None:
    assert predicates(question, text) is None
