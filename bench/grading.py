"""Is an answer right? Texts of one question against its gold answers.

"equivalence": the final answer of the text says the same as a gold answer, by the rules that the
server groups answers with (`semantics.equivalence = "rules"`): text, numbers, dates, lists, and
mathematics by math-verify. No model has a say. A text that was cut at the token limit has an answer
only if it holds a complete \\boxed{}.

"substring": the text, cut or not, contains a gold answer, ignoring case. For answers of a word or
two; it forgives everything around them ("mices" counts as "mice"), and is what the demo does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from answers import Answer
from questions import Question

from empo_serve.config import SemanticsSection
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.scorer import Scorer

Grade = Literal["equivalence", "substring"]

_BOX = re.compile(r"\\boxed\s*\{")


@dataclass(frozen=True, slots=True)
class Graded:
    """The samples of one question. `answers[i]` is "" where there is none; `is_right[i]` is None
    where the comparison took too long; `semantic_ids` are those of the answers."""

    answers: tuple[str, ...]
    is_right: tuple[bool | None, ...]
    semantic_ids: tuple[int, ...]


class Grader:
    """Raises StartupError when math-verify or pebble is not installed. Close it after use."""

    def __init__(self, grade: Grade, workers: int) -> None:
        self._grade = grade
        self._scorer = Scorer(SemanticsSection(equivalence="rules", math_workers=workers))

    def grade(self, question: Question, texts: Sequence[Answer]) -> Graded:
        answers = tuple(_final_answer(question.text, text) for text in texts)
        if self._grade == "substring":
            is_right: list[bool | None] = [_contains(question.gold, text.text) for text in texts]
        else:
            is_right = [self._is_gold(question, answer) for answer in answers]
        ids = self._scorer.score(question.text, answers).semantic_ids if answers else ()
        return Graded(answers, tuple(is_right), ids)

    def close(self) -> None:
        self._scorer.close()

    def _is_gold(self, question: Question, answer: str) -> bool | None:
        pairs = [(answer, gold) for gold in question.gold]
        verdicts = self._scorer.equivalence.same(question.text, pairs)
        if any(verdict.same for verdict in verdicts):
            return True
        # What no rule decides is different; what was not compared to its end is neither.
        return None if any(verdict.method == "math_timeout" for verdict in verdicts) else False


def _final_answer(question: str, text: Answer) -> str:
    if text.is_truncated and not _BOX.search(text.text):
        return ""
    return extract_answer(question, text.text)


def _contains(gold: Sequence[str], text: str) -> bool:
    return any(each.casefold() in text.casefold() for each in gold)
