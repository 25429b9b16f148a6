from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.reading import read
from empo_serve.semantics.rules import compare
from empo_serve.semantics.synonyms import are_synonyms


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("Who won two Nobel prizes?", "Madame Curie", "Marie Curie"),
        ("Which city is it?", "Oporto", "Porto"),
        ("Which painkiller is it?", "Advil", "ibuprofen"),
        ("What is hummus made of?", "garbanzos", "chickpeas"),
        ("Which metal is liquid?", "quicksilver", "mercury"),
        ("Who wrote 1984?", "Eric Arthur Blair", "George Orwell"),
        ("What did he buy?", "a car", "an automobile"),
    ],
)
def test_two_nouns_of_one_meaning_are_the_same_answer(question: str, a: str, b: str) -> None:
    assert compare(read(question, a), read(question, b)).same is True
    assert compare(read(question, b), read(question, a)).same is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("dog", "cat"),
        ("actor", "worker"),  # one meaning, but a rare one of both
        ("second", "minute"),  # both are "a moment"
        ("soccer", "football"),
        ("andrew johnson", "lyndon johnson"),
        ("no such noun", "no such noun"),
    ],
)
def test_other_nouns_are_no_synonyms(a: str, b: str) -> None:
    assert not are_synonyms(a, b)


def test_two_words_may_be_written_as_one() -> None:
    assert are_synonyms("thigh bone", "femur")


def test_where_a_word_is_asked_for_two_words_are_two_answers() -> None:
    asked = 'Name another word for "vehicle".'
    assert compare(read(asked, "a car"), read(asked, "an automobile")).same is not True


@given(st.sampled_from(["car", "porto", "mercury", "heart", "x", ""]), st.text(max_size=8))
def test_being_synonyms_has_no_direction(a: str, b: str) -> None:
    assert are_synonyms(a, b) == are_synonyms(b, a)
