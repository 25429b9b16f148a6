from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.embedding import guard

QUESTION = "What happened in the story?"
SUBJECTS = ("The board", "Her neighbour", "The old captain", "Our teacher")
VERBS = ("painted", "followed", "described", "visited")
NAMES = ("Paris", "London", "Ana", "Ben", "Kyoto")
NUMBERS = ("3", "4", "five", "six", "12")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("hot", "cold"),
        ("The train has 5 green wagons now.", "The train has 6 green wagons now."),
        ("The train has five green wagons now.", "The train has six green wagons now."),
        ("He lives in a house near Paris.", "He lives in a house near London."),
        ("Then Ana lent her money to Ben.", "Then Ben lent his money to Ana."),
        ("Then Ana lent her money to Ben.", "Then Ana borrowed her money from Ben."),
        ("The board has approved the merger plan.", "The board has not approved the merger plan."),
        ("The board has approved the plan.", "It was rejected by the people at the top."),
        ("The cat chases the dog around.", "The dog chases the cat around."),
        ("The cat chases the dog around.", "The cat is being chased by the dog."),
        ("Perseverance beats overconfident talent.", "Natural talent always beats perseverance."),
        ("Cover it with a lid, and never use water.", "Put water on it, and never use the lid."),
        ("The pressure goes up, the volume stays.", "The volume goes up, the pressure stays."),
        ("Her alarm did not ring this morning.", "Her alarm rang, but she slept on."),
        ("Its price goes up in the winter.", "Its price goes down in the winter."),
        ("It becomes visible at dawn.", "At that hour it becomes invisible."),
        ("The storm had cut the power.", "The storm had cut the water."),
        ("The plant turns sugar into water.", "Water is what the plant turns into sugar."),
        ("They work more slowly then.", "From that time on their work is quicker."),
        ("Make the height two times as large.", "Make the height four times as large."),
        ("It is the girl that rescues the robot.", "The girl gets rescued by the robot."),
        ("A liquid becomes a gas in that process.", "There a gas turns into a liquid."),
        ("The defendant was found guilty by them.", "The court found the accused innocent."),
        ("x = \\frac{1}{2} for every such case", "x = \\frac{1}{3} for every such case"),
        ("", "The cat chases the dog around."),
    ],
)
def test_similarity_may_not_decide(a: str, b: str) -> None:
    for verdict in (guard(QUESTION, a, b), guard(QUESTION, b, a)):
        assert verdict is not None
        assert not verdict.same


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ice is less dense than liquid water.", "Its density is below that of the liquid."),
        ("The cat chases the dog.", "The dog is being chased by the cat."),
        ("Ana lent the money to Ben.", "Ben received a loan from Ana."),
        ("Microbes multiply less quickly.", "The cold slows down the growth of bacteria."),
        ("Make it twice as high.", "You multiply its height by 2."),
        (
            "To melt the ice, because salty water freezes at a lower temperature.",
            "Salt lowers the freezing point of water, so the ice melts.",
        ),
    ],
)
def test_paraphrases_are_left_to_similarity(a: str, b: str) -> None:
    for verdict in (guard(QUESTION, a, b), guard(QUESTION, b, a)):
        assert verdict is None


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Demand falls.", "The quantity demanded goes down as the price goes up.", True),
        ("Demand rises.", "The quantity demanded goes up as the price goes up.", True),
        ("It rises.", "Demand falls.", False),
        ("Demand falls.", "It goes up.", False),
    ],
)
def test_a_change_is_told_by_its_direction(a: str, b: str, same: bool) -> None:
    question = "What happens to the demand for a normal good when its price rises?"
    for verdict in (guard(question, a, b), guard(question, b, a)):
        assert verdict is not None
        assert verdict.same is same


@given(
    subject=st.sampled_from(SUBJECTS),
    verb=st.sampled_from(VERBS),
    tail=st.sampled_from(("in the spring", "after the long war", "and everybody knew it")),
    slots=st.sampled_from((NAMES, NUMBERS)).flatmap(
        lambda options: st.lists(st.sampled_from(options), min_size=2, max_size=2, unique=True)
    ),
    is_reworded=st.booleans(),
)
def test_answers_with_another_number_or_name_never_merge(
    subject: str, verb: str, tail: str, slots: list[str], is_reworded: bool
) -> None:
    one, other = (f"{subject} {verb} something near {slot} {tail}." for slot in slots)
    if is_reworded:
        other = f"Well {tail}, near {slots[1]}, there was something that {subject} {verb}."
    verdict = guard(QUESTION, one, other)
    assert verdict is not None
    assert verdict.same is False


@given(
    subject=st.sampled_from(SUBJECTS),
    verb=st.sampled_from(("paint", "follow", "describe", "visit")),
    negation=st.sampled_from(("did not", "didn't", "never did", "could never")),
    tail=st.text(alphabet="abcdefghij ", max_size=40),
)
def test_a_denied_answer_never_merges_with_an_asserted_one(
    subject: str, verb: str, negation: str, tail: str
) -> None:
    verdict = guard(QUESTION, f"{subject} did {verb} {tail}", f"{subject} {negation} {verb} {tail}")
    assert verdict is not None
    assert verdict.same is False


@given(a=st.text(max_size=80), b=st.text(max_size=80))
def test_the_guard_is_symmetric(a: str, b: str) -> None:
    assert guard(QUESTION, a, b) == guard(QUESTION, b, a)


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (
            "The king fined the miller who had cheated the baker. Who has to pay?",
            "The man who cheated the baker has to pay.",
            "It is the king that has to pay.",
        ),
        (
            "Ann leaves her boat to Bo and her car to Cy. Who inherits what?",
            "Bo inherits the car and Cy the boat.",
            "He inherits the boat, and the car goes to her nephew Cy.",
        ),
    ],
)
def test_those_whom_the_question_names_are_told_apart(question: str, a: str, b: str) -> None:
    for verdict in (guard(question, a, b), guard(question, b, a)):
        assert verdict is not None
        assert not verdict.same


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (
            "What should you do before crossing?",
            "Make sure that no car is coming from either side.",
            "You should look left and right first.",
        ),
        (
            "Why did he miss the train?",
            "His alarm clock didn't go off, so he woke up too late.",
            "Because he overslept that day.",
        ),
        (
            "What did the court decide?",
            "The defendant was found not guilty.",
            "The court held that she was innocent.",
        ),
    ],
)
def test_a_negation_is_no_conflict_where_it_denies_nothing_that_is_said(
    question: str, a: str, b: str
) -> None:
    for verdict in (guard(question, a, b), guard(question, b, a)):
        assert verdict is None or verdict.method != "conflict_negation"


def test_a_comparison_may_be_turned_around() -> None:
    asked = "Why do we see lightning before we hear the thunder?"
    slower, faster = "Sound is much slower than light.", "Light is much faster than sound."
    assert guard(asked, slower, faster) is None
    turned = guard(asked, slower, "Light is much slower than sound.")
    assert turned is not None
    assert turned.same is False


def test_what_follows_from_a_reason_tells_the_direction() -> None:
    asked = "What happens to the pressure of the gas?"
    said = "It is proportional to the volume, so it goes down with it."
    for other, is_same in (("The pressure rises then.", False), ("The pressure falls then.", True)):
        verdict = guard(asked, said, other)
        assert verdict is not None
        assert verdict.same is is_same


def test_a_list_does_not_merge_with_a_text_that_lacks_one_of_its_items() -> None:
    asked = "Which colours are on the flag of Italy?"
    told = "The Italian tricolour has a green, a white and a red stripe."
    lacking = guard(asked, "green, white and orange", told)
    assert lacking is not None
    assert not lacking.same
    assert guard(asked, "green, white and red", told) is None


def test_another_order_of_a_few_words_is_no_conflict() -> None:
    lowers = "Salt lowers the freezing point of water, so the ice melts."
    melts = "To melt the ice, because salty water freezes at a lower temperature."
    assert guard("Why do we put salt on icy roads?", lowers, melts) is None
