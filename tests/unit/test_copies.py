from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.copies import _common_subsequence, copies_question
from empo_serve.train.rewards import empo_rewards

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "golden" / "train_vectors.json").read_text(encoding="utf-8")
    )["cases"]
}
FRANCE = "What is the capital of France and which river flows through it?"
PASSAGE = (
    "The war ended in November. The leaders then met near Paris for half a year and argued about "
    "borders, money and guilt, until they signed the Treaty of Versailles in the Hall of Mirrors, "
    "where the empire had once been proclaimed. What did the leaders sign after the war?"
)


def test_rewards_with_copies_equal_those_of_the_reference() -> None:
    case = CASES["empo_trl_common_mixed"]
    question, predictions = case["inputs"]["question"], case["inputs"]["predictions"]
    copies = [copies_question(question, p) for p in predictions]
    rewards = empo_rewards(case["expected"]["semantic_ids"], predictions, copies=copies)
    assert rewards == pytest.approx(case["expected"]["rewards"])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (FRANCE, "capital of France"),
        (FRANCE, "What is the capital of France and which river flows through it?"),
        (FRANCE, "the capital of France and the river flows through it?"),
        (PASSAGE, "What did the leaders sign after the war?"),
        ("Is it tea or coffee that people in Japan drink in the morning, and in which city most?",
         "tea or coffee that people in Japan drink in the morning, and in which city most"),
        ("法国的首都是哪里？哪条河流经它？", "法国的首都是哪里？"),
    ],
)  # fmt: skip
def test_an_answer_that_repeats_the_question_is_a_copy(question: str, answer: str) -> None:
    assert copies_question(question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (FRANCE, "Paris, Seine"),
        (FRANCE, "France"),
        (FRANCE, ""),
        ("Who walked on the Moon first, Neil Armstrong or Buzz Aldrin?", "Neil Armstrong"),
        ("Which is larger, the North Pacific Ocean or the Indian Ocean?", "North Pacific Ocean"),
        ("Which of these is a flag? A) red white and blue B) green", "red white and blue"),
        ("Did the king of France lose the war?", "the king of France lose the war"),
        (PASSAGE, "the Treaty of Versailles"),
        (PASSAGE, "They signed the Treaty of Versailles"),
        ("日本と中国とではどちらが大きいですか？", "中国"),
    ],
)
def test_a_legitimate_answer_is_no_copy(question: str, answer: str) -> None:
    assert not copies_question(question, answer)


WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


@given(WORDS, WORDS)
def test_the_common_subsequence_is_that_of_the_textbook(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else longest
    assert _common_subsequence(a, b) == table[-1][-1]


def test_a_long_answer_takes_no_time() -> None:
    assert not copies_question("why " * 20_000, "because of it " * 20_000)
