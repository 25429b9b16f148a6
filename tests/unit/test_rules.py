from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.rules import compare, read


def verdict(question: str, a: str, b: str) -> Verdict:
    """Rules without mathematics: no process is started here."""
    one, other = (
        compare(read(question, a), read(question, b)),
        compare(read(question, b), read(question, a)),
    )
    assert one == other
    return one


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("What is the capital of France?", "paris", "PARIS!"),
        ("What is the capital of France?", "Paris, France", "Paris"),
        ('What is the plural of "mouse"?', "mice", 'The plural of "mouse" is "mice".'),
        ("Which animal is it?", "the dog", "a dog"),
        ("Which animal is it?", "dog", "DOG."),
        ("What is the capital of Brazil?", "Brasília", "Brasilia"),
        ("How many seconds are in one hour?", "3,600 seconds", "3600"),
        ("How many seconds are in one hour?", "one hour", "60 minutes"),
        ("How many legs does a spider have?", "8", "A spider has eight legs."),
        ("What is 7 minus 19?", "−12", "minus twelve"),
        ("What is 1/8 as a decimal?", "0.125", ".125"),
        ("What is the price?", "$60", "60 dollars"),
        ("What is the price?", "12,50 €", "twelve euros and fifty cents"),
        ("What is the probability of heads?", "50%", "1/2"),
        ("How far is it?", "1.5 × 10^8 km", "150 million kilometres"),
        ("Is 17 prime?", "Yes.", "Yes, 17 is prime."),
        ("Is 17 prime?", "No", "17 is not prime."),
        ("Which gas? (A) neon (B) argon", "B", "argon"),
        ("When did the war end?", "May 8, 1945", "the 8th of May 1945"),
        ("When is the meeting?", "18:30", "half past six p.m."),
        ("Name the primary colours of light.", "blue, red, green", "Red, green and blue"),
        ("Who wrote the Principia?", "Newton", "Isaac Newton"),
        ("What is the formula of water?", "H₂O", "H2O"),
    ],
)
def test_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is True


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("What is the capital of France?", "Paris", "London"),
        ("What is the capital of France?", "Paris", ""),
        ("What is the capital of France?", "I don't know.", "I don't know."),
        ('What is the opposite of "warm"?', "cold", "hot"),
        ("What is 7 minus 19?", "12", "-12"),
        ("What is 7 minus 19?", "minus twelve", "twelve"),
        ("How many seconds are in one hour?", "3,600", "36,000"),
        ("How many seconds are in one hour?", "60 minutes", "61 minutes"),
        ("What is the ratio?", "1.5", "15"),
        ("Which language is it?", "C", "C++"),
        ("Which language is it?", "C#", "C"),
        ("Is 17 prime?", "Yes", "No"),
        ("Which gas? (A) neon (B) argon", "A", "argon"),
        ("When did the war end?", "May 8, 1945", "May 8, 1944"),
        ("When is the meeting?", "6:30 pm", "6:30 am"),
        ("List the planets in order.", "Venus, Earth", "Earth, Venus"),
        ("Name two colours.", "red, green", "red, blue"),
        ("Who was president?", "George Washington", "George W. Bush"),
        ("Where is it?", "Korea", "North Korea"),
        ("Where is it?", "Guinea", "New Guinea"),
        ("Who helped whom, Ana or Ben?", "Ana helped Ben.", "Ben helped Ana."),
        ("Which letter?", "か", "が"),
        ("What is it?", "\\Delta", "\\delta"),
    ],
)
def test_not_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is not True


def test_free_text_is_left_to_others() -> None:
    question = "Why does ice float?"
    one = "Because ice is less dense than liquid water."
    other = "Its density is lower than that of the liquid around it."
    assert verdict(question, one, other) == Verdict(None, "undecided")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_text_gets_one_verdict_in_both_orders(question: str, a: str, b: str) -> None:
    verdict(question, a, b)
    assert verdict(question, a, a).same is bool(read(question, a).text)
