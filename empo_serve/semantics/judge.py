"""Equivalence by a language model that is asked whether two answers to a question say the same.

What EMPO's authors found to withstand reward hacking (arXiv 2504.05812, appendix J). The judge here
is the served base model, never a version that learns, or another OpenAI-compatible endpoint.
Its probability of "Yes" is read from the first token's log-probabilities; nothing is generated.

This file is the text that the judge reads, what its answer means, and the stage of the cascade.
Who asks the model, and when, is in `judging.py`: the scorer process has no HTTP client.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from empo_serve.semantics.base import UNDECIDED, Verdict, without_model
from empo_serve.semantics.extract import extract_answer

# For each pair the probability that both say the same, or None where the judge said neither.
Ask = Callable[[str, list[tuple[str, str]]], list[float | None]]

# Characters; a prompt must fit into a small context.
_MAX_QUESTION = 1000
_MAX_ANSWER = 500
_MIN_MASS = 0.1  # a first token that is neither "Yes" nor "No" so often is no answer

_INSTRUCTION = (
    "You compare two answers to one question. Reply Yes if both say the same, whether right or "
    "wrong, and No if they say different things. Reply with one word."
)
# In turns, not in one text: of six wordings the one to which small models keep best, and the engine
# has the turns in its prefix cache.
_EXAMPLES = (
    ("What colour is the sky on a clear day?", "Blue", "It is blue.", "Yes"),
    ("What colour is the sky on a clear day?", "Blue", "Grey", "No"),
    (
        "Why was the game called off?",
        "Heavy rain had flooded the field.",
        "The pitch was under water after the rain.",
        "Yes",
    ),
    (
        "Why was the game called off?",
        "Heavy rain had flooded the field.",
        "Both teams were ill.",
        "No",
    ),
    ("Who sold the boat to whom?", "Max sold it to Eva.", "Eva bought it from Max.", "Yes"),
    ("Who sold the boat to whom?", "Max sold it to Eva.", "Eva sold it to Max.", "No"),
)


class Unjudged(Exception):
    """The judge has not been asked about these pairs yet."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(f"{len(pairs)} pairs are not judged")
        self.pairs = pairs


class JudgeEquivalence:
    """Same from `threshold` on, else different; None where the judge said neither yes nor no.

    While it does not take part it has nothing to say. `ask` may raise what it likes.
    """

    def __init__(self, threshold: float, ask: Ask, takes_part: bool = True) -> None:
        self._threshold = threshold
        self._ask = ask
        self.takes_part = takes_part

    def load(self) -> None:
        pass

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        if not self.takes_part:
            return [UNDECIDED] * len(pairs)
        answers = [
            (extract_answer(question, min(pair)), extract_answer(question, max(pair)))
            for pair in pairs
        ]
        verdicts = [without_model(a, b) for a, b in answers]
        asked = [pair for pair, verdict in zip(answers, verdicts, strict=True) if verdict is None]
        probabilities = iter(self._ask(question, asked) if asked else [])
        return [verdict or self._verdict(next(probabilities)) for verdict in verdicts]

    def close(self) -> None:
        pass

    def _verdict(self, probability: float | None) -> Verdict:
        return Verdict(None if probability is None else probability >= self._threshold, "judge")


class Told:
    """Answers of the judge that came with the group in hand. Raises Unjudged for any other pair."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], float | None] = {}

    def __call__(self, question: str, pairs: list[tuple[str, str]]) -> list[float | None]:
        missing = [pair for pair in pairs if pair not in self.answers]
        if missing:
            raise Unjudged(list(dict.fromkeys(missing)))
        return [self.answers[pair] for pair in pairs]


def chat(question: str, a: str, b: str) -> list[dict[str, Any]]:
    """The messages to which the judge replies with Yes or No."""
    messages = [{"role": "system", "content": _INSTRUCTION}]
    for *texts, reply in _EXAMPLES:
        messages.append({"role": "user", "content": _text(*texts)})
        messages.append({"role": "assistant", "content": reply})
    messages.append(
        {
            "role": "user",
            "content": _text(question[-_MAX_QUESTION:], a[:_MAX_ANSWER], b[:_MAX_ANSWER]),
        }
    )
    return messages


def probability_of_yes(logprobs: Mapping[str, float]) -> float | None:
    """P(yes) / (P(yes) + P(no)) over every spelling of both; None when it said neither."""
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in logprobs.items():
        word = token.strip(" \t\r\n.,:;!*\"'▁Ġ").lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    total = mass["yes"] + mass["no"]
    return mass["yes"] / total if total >= _MIN_MASS else None


def _text(question: str, a: str, b: str) -> str:
    # On one line each: an answer must not look like the next line of the form.
    question, a, b = (" ".join(text.split()) for text in (question, a, b))
    text = f"Question: {question}\nFirst answer: {a}\nSecond answer: {b}"
    # Lone surrogates are no text for a tokenizer.
    return text.encode("utf-8", "replace").decode("utf-8")
