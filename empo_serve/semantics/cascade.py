"""Rules first, then a model for what rules cannot tell."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence

from empo_serve.config import SemanticsSection
from empo_serve.semantics.base import Equivalence, Verdict
from empo_serve.semantics.embedding import EmbeddingEquivalence
from empo_serve.semantics.rules import RulesEquivalence

log = logging.getLogger(__name__)


class Cascade:
    """Asks each stage about the pairs that the stages before it could not decide.

    What none decides is different ("undecided"). A comparison of mathematics that was killed keeps
    its None: no similarity of texts may replace it.
    """

    def __init__(self, stages: Sequence[Equivalence]) -> None:
        self._stages = stages

    def load(self) -> None:
        for stage in self._stages:
            stage.load()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts = [Verdict(None, "undecided")] * len(pairs)
        for stage in self._stages:
            waiting = [i for i, v in enumerate(verdicts) if v == Verdict(None, "undecided")]
            if not waiting:
                break
            found = stage.same(question, [pairs[i] for i in waiting])
            for i, verdict in zip(waiting, found, strict=True):
                verdicts[i] = verdict
        return [
            Verdict(False, "undecided") if v == Verdict(None, "undecided") else v for v in verdicts
        ]

    def close(self) -> None:
        for stage in self._stages:
            stage.close()


def make_equivalence(section: SemanticsSection) -> Equivalence:
    """The equivalence that `section` names. Raises StartupError when a part is not installed."""
    if section.equivalence == "embedding":
        return EmbeddingEquivalence(section)
    if section.equivalence == "rules":
        return RulesEquivalence(section)
    if importlib.util.find_spec("sentence_transformers") is None:
        log.warning(
            "sentence-transformers is not installed: answers are compared by rules only "
            "(pip install 'empo-serve[semantics]')"
        )
        return Cascade([RulesEquivalence(section)])
    return Cascade([RulesEquivalence(section), EmbeddingEquivalence(section)])
