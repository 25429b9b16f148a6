from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.extract import extract_answer

CAPITAL = "What is the capital of France?"


@pytest.mark.parametrize(
    "completion",
    [
        "Paris",
        "paris.".title(),
        "The capital of France is Paris.",
        "Paris is the capital of France.",
        "France's capital is Paris.",
        "Sure! The capital of France is Paris. Let me know if you need anything else!",
        "**Paris** is the capital of France.",
        "The capital of France is **Paris**.",
        "The capital of France is Paris, which lies on the Seine.",
        "Paris, France",
        '"Paris"',
        "- Paris",
        "Answer: Paris",
        "A: Paris\nQ: What is the capital of Spain?\nA: Madrid",
        "#### Paris",
        "### Answer\nParis",
        "<answer>Paris</answer>",
        "<think>Lyon? No.</think>Paris",
        "It was Lyon once.</think>\n\nParis",
        '{"answer": "Paris"}',
        '```json\n{"reasoning": "easy", "answer": "Paris"}\n```',
        "```\nParis\n```",
        "\\boxed{Paris}",
        "\\boxed{\\text{Paris}}",
        "I could be wrong, but I believe it is Paris.",
        "I can't see maps, but the capital is Paris.",
        "Sorry for the confusion. The capital of France is Paris.",
        "The final answer is: Paris. It has two million people.",
    ],
)
def test_one_answer_in_many_forms(completion: str) -> None:
    assert extract_answer(CAPITAL, completion) == "Paris"


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "   \n",
        "...",
        "I don't know.",
        "I'm sorry, but I cannot answer this question.",
        "As an AI language model, I cannot say.",
        "I'd rather not answer that.",
        "No idea.",
        "<think>Perhaps Paris, or",
        "We get \\boxed{Par",
        "The capital of France is",
        '{"answer": "Par',
    ],
)
def test_no_answer(completion: str) -> None:
    assert extract_answer(CAPITAL, completion) == ""


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("First \\boxed{5}. Wait: \\boxed{6}.", "6"),
        ("\\boxed{\\frac{1}{1+\\frac{1}{2}}}", "\\frac{1}{1+\\frac{1}{2}}"),
        ("\\boxed{x = \\boxed{3}}", "3"),
        ("\\fbox{7}, that is, $\\boxed{8}$", "8"),
        ("\\boxed{\\{-2, 2\\}}", "\\{-2, 2\\}"),
        ("$$\n\\boxed{\n143\n}\n$$", "143"),
        ("\\boxed{12} and then \\boxed{13", "12"),
        ("Therefore, x = 5.", "5"),
        ("3 + 4 = 7.\n#### 7", "7"),
        ("2 + 2 = 4, so the result is 4.", "4"),
    ],
)
def test_mathematics(completion: str, answer: str) -> None:
    assert extract_answer("What is x?", completion) == answer


@pytest.mark.parametrize(
    ("completion", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("B) oxygen", "B"),
        ("oxygen", "B"),
        ("The answer is (B), since we breathe it.", "B"),
        ("Nitrogen is common, so A is tempting. Answer: B", "B"),
        ("I would choose option A.", "A"),
    ],
)
def test_multiple_choice_gives_the_letter(completion: str, letter: str) -> None:
    question = "Which gas do we need? A) nitrogen B) oxygen C) argon"
    assert extract_answer(question, completion) == letter


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("Yes", "Yes"),
        ("yes, because 15 = 3 x 5", "Yes"),
        ("No.", "No"),
        ("That is false.", "No"),
        ("Absolutely not.", "No"),
        ("It does not.", "No"),
        ("15 is divisible by 5.", "Yes"),
        ("15 is not divisible by 5.", "No"),
    ],
)
def test_yes_no_questions(completion: str, answer: str) -> None:
    assert extract_answer("Is 15 divisible by 5?", completion) == answer


def test_items_on_lines_become_one_list() -> None:
    question = "Which colours does the Polish flag have?"
    assert extract_answer(question, "Answer:\nwhite\nred") == "white, red"
    assert extract_answer(question, "1. white\n2. red") == "white, red"


def test_a_quoted_word_is_unquoted() -> None:
    question = 'What is the plural of "mouse"?'
    assert extract_answer(question, 'The plural of "mouse" is "mice."') == "mice"
    assert extract_answer('What is the opposite of "happy"?', "The opposite is sad.") == "sad"


def test_abbreviations_keep_their_dot() -> None:
    question = "What is the capital of the USA?"
    assert extract_answer(question, "Washington, D.C.") == "Washington, D.C."


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 50_000,
        "{" * 100_000,
        '{"answer": ' * 20_000,
        "[" * 100_000 + '"answer":',
        "<think>" * 50_000,
        "a, " * 50_000,
        "Answer: " * 20_000,
        "\n" * 200_000,
        "**" * 100_000,
        "\x00" * 1000,
        "\ud800",
        " " * 200_000 + "x",
        "1 " * 100_000,
        "#### " * 30_000,
        "x" * 1_000_000,
        "the " * 50_000,
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.timeout(20)
def test_hostile_text_is_survived(text: str) -> None:
    for question in (CAPITAL, "How long is it?", "Who was taller, Ana or Ben?", "Is it a fish?"):
        assert isinstance(extract_answer(question, text), str)
    assert isinstance(extract_answer(text, "Paris"), str)


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_text_is_survived(question: str, completion: str) -> None:
    assert isinstance(extract_answer(question, completion), str)


@pytest.mark.parametrize(
    ("question", "completion", "answer"),
    [
        ("Which is the third month?", "Counting from the start, the third one is March.", "March"),
        ("Which bird sings?", "Among those of the wood, the bird that sings is a wren.", "a wren"),
        (
            "Who gets the crown?",
            "The prince, who won, is the one who gets the crown.",
            "The prince",
        ),
        ("What is a third of two fifths?", "two fifteenths", "two fifteenths"),
        ("What time is a quarter to nine?", "nine forty-five", "nine forty-five"),
        ("Кто написал «Мёртвые души»?", "Это написал Н. В. Гоголь.", "Это написал Н. В. Гоголь"),
        (
            "In which city does the court sit?",
            "The court sits in the city of Aarhus, a port, where it was founded in the year 1945.",
            "Aarhus",
        ),
    ],
)
def test_the_answering_part_of_a_longer_sentence(
    question: str, completion: str, answer: str
) -> None:
    assert extract_answer(question, completion) == answer


def test_an_adjunct_that_answers_stays() -> None:
    said = extract_answer("Where did he sign it?", "In Dayton, he signed it at last.")
    assert "Dayton" in said
    assert extract_answer("Who became whose guest?", "Ana became Bo's guest.") != extract_answer(
        "Who became whose guest?", "Bo became Ana's guest."
    )


def test_the_index_of_a_sum_begins_no_value() -> None:
    assert extract_answer("Compute.", "\\sum_{k=1}^{3} k") == "\\sum_{k=1}^{3} k"
    assert extract_answer("Compute.", "S = \\sum_{k=1}^{3} k = 6") == "6"
