"""Asks the judge: both orders of each pair, each pair once; and first, whether it can judge."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import Any, Protocol

from empo_serve.config import SemanticsSection
from empo_serve.errors import EngineError, ScorerError
from empo_serve.metrics import Metrics
from empo_serve.semantics.cache import pair_keys
from empo_serve.semantics.judge import chat, probability_of_yes

_MAX_ANSWERS = 50_000  # that are remembered: about 5 MB
# What the judge must reach on pairs that a careful reader finds easy. A wrong merge trains on a
# false consensus, a missed one only loses a group.
_MIN_PRECISION = 0.95
_MIN_RECALL = 0.3


class Model(Protocol):
    """Whatever can be asked for first tokens: the served base model, or another endpoint."""

    @property
    def name(self) -> str: ...

    async def first_tokens(
        self, chats: Sequence[list[dict[str, Any]]], urgent: bool = False
    ) -> list[dict[str, float]]:
        """For each chat the likeliest first tokens of the reply with their log-probabilities; none
        where the model cannot take the chat. `urgent`: a user waits. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class Check:
    """How a judge did on the bundled pairs. `precision` is None when it found none the same."""

    precision: float | None
    recall: float
    unusable: int
    num_pairs: int

    @property
    def passed(self) -> bool:
        return (self.precision or 0.0) >= _MIN_PRECISION and self.recall >= _MIN_RECALL

    def __str__(self) -> str:
        precision = "none" if self.precision is None else f"{self.precision:.2f}"
        return (
            f"precision {precision} (needs {_MIN_PRECISION}), recall {self.recall:.2f} (needs "
            f"{_MIN_RECALL}) on {self.num_pairs} pairs, {self.unusable} without a yes or no"
        )


class Judge:
    """A model that is asked whether answers say the same.

    With `semantics.equivalence` = "judge" it takes part whatever the check says; with "auto" only
    after `check` was passed.
    """

    def __init__(self, section: SemanticsSection, model: Model, metrics: Metrics) -> None:
        self._threshold = section.judge_threshold
        self._is_alone = section.equivalence == "judge"
        self._model = model
        self._metrics = metrics
        self._answers: OrderedDict[bytes, float] = OrderedDict()
        self.checked: Check | None = None
        self._show()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def takes_part(self) -> bool:
        return self._is_alone or (self.checked is not None and self.checked.passed)

    async def ask(
        self, question: str, pairs: Sequence[tuple[str, str]], urgent: bool = False
    ) -> list[float | None]:
        """For each pair the probability that both say the same; None where the judge said neither.

        Raises ScorerError when the model does not answer; and, where nothing else decides, also
        when it answers neither: such a pair is not known to be different.
        """
        keys = pair_keys(question, pairs)
        missing = {
            key: (min(pair), max(pair))
            for key, pair in zip(keys, pairs, strict=True)
            if key not in self._answers
        }
        try:
            fresh = await self._judge([(question, *pair) for pair in missing.values()], urgent)
        except EngineError as e:
            self._metrics.judge_pairs.labels(outcome="failed").inc(len(missing))
            raise ScorerError(f"the judge does not answer: {e}") from e
        found = dict(zip(missing, fresh, strict=True))
        result = [self._answers.get(key, found.get(key)) for key in keys]
        for key, probability in found.items():
            self._metrics.judge_pairs.labels(outcome=self._outcome(probability)).inc()
            if probability is not None:
                self._answers[key] = probability
        for key in keys:
            if key in self._answers:
                self._answers.move_to_end(key)
        while len(self._answers) > _MAX_ANSWERS:
            self._answers.popitem(last=False)
        if self._is_alone and None in result:
            raise ScorerError("the judge said neither yes nor no")
        return result

    async def check(self) -> Check:
        """Let the model judge the bundled pairs. Raises EngineError when it does not answer."""
        rows = check_pairs()
        found = await self._judge([(row["question"], row["a"], row["b"]) for row in rows], False)
        said_same = [p is not None and p >= self._threshold for p in found]
        hits = sum(said and row["same"] for said, row in zip(said_same, rows, strict=True))
        return Check(
            precision=hits / sum(said_same) if any(said_same) else None,
            recall=hits / sum(row["same"] for row in rows),
            unusable=found.count(None),
            num_pairs=len(rows),
        )

    def accept(self, check: Check) -> None:
        """Let a result of `check` decide, from now on."""
        self.checked = check
        self._show()

    @property
    def fingerprint(self) -> str:
        """What a result of `check` holds for: this model, these words, these pairs."""
        facts = [self.name, self._threshold, chat("q", "a", "b"), check_pairs()]
        return blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()

    async def _judge(
        self, items: Sequence[tuple[str, str, str]], urgent: bool
    ) -> list[float | None]:
        """Both orders, averaged: models prefer what comes first, or last."""
        if not items:
            return []
        chats = [chat(q, *sides) for q, a, b in items for sides in ((a, b), (b, a))]
        replies = [probability_of_yes(r) for r in await self._model.first_tokens(chats, urgent)]
        return [
            None if there is None or back is None else (there + back) / 2
            for there, back in zip(replies[::2], replies[1::2], strict=True)
        ]

    def _outcome(self, probability: float | None) -> str:
        if probability is None:
            return "unusable"
        return "same" if probability >= self._threshold else "different"

    def _show(self) -> None:
        self._metrics.judge_takes_part.set(self.takes_part)
        if self.checked is not None:
            self._metrics.judge_precision.set(self.checked.precision or 0.0)
            self._metrics.judge_recall.set(self.checked.recall)


def check_pairs() -> list[dict[str, Any]]:
    """Pairs {"question", "a", "b", "same"} whose label nobody would argue about."""
    text = (files("empo_serve") / "semantics" / "judge_check.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
