"""Cheap and certain ways to compare first, then models for what is still open."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.base import UNDECIDED, Equivalence, Verdict
from empo_serve.semantics.embedding import EmbeddingEquivalence
from empo_serve.semantics.judge import JudgeEquivalence
from empo_serve.semantics.nli import NliEquivalence
from empo_serve.semantics.rules import RulesEquivalence

log = logging.getLogger(__name__)

# What mathematics could not read: no similarity of texts may replace it.
_STAYS_UNKNOWN = {"math"}


class Cascade:
    """Asks each stage about the pairs that the stages before it could not decide.

    What a stage decides stands: none may overrule it. What none decides is different, in the name
    of the last stage that had something to say.
    """

    def __init__(self, stages: Sequence[Equivalence]) -> None:
        self._stages = stages

    def load(self) -> None:
        for stage in self._stages:
            stage.load()

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts = [UNDECIDED] * len(pairs)
        for stage in self._stages:
            waiting = [i for i, verdict in enumerate(verdicts) if _is_open(verdict)]
            if not waiting:
                break
            found = stage.same(question, [pairs[i] for i in waiting])
            for i, verdict in zip(waiting, found, strict=True):
                if verdict != UNDECIDED:
                    verdicts[i] = verdict
        return [Verdict(False, v.method) if _is_open(v) else v for v in verdicts]

    def close(self) -> None:
        for stage in self._stages:
            stage.close()


def _is_open(verdict: Verdict) -> bool:
    return verdict.same is None and verdict.method not in _STAYS_UNKNOWN


def make_equivalence(
    section: SemanticsSection, judge: JudgeEquivalence | None = None
) -> Equivalence:
    """The equivalence that `section` names; without a `judge` nobody is asked.

    Raises StartupError when a part is not installed, or nobody can be asked and nothing else is
    to decide.
    """
    match section.equivalence:
        case "rules":
            return RulesEquivalence(section)
        case "embedding":
            return Cascade([EmbeddingEquivalence(section)])
        case "nli":
            return Cascade([NliEquivalence(section)])
        case "judge":
            if judge is None:
                raise StartupError('semantics.equivalence = "judge" needs semantics.judge_url here')
            return judge
    stages: list[Equivalence] = [RulesEquivalence(section)]
    if importlib.util.find_spec("sentence_transformers") is None:
        log.warning(
            "sentence-transformers is not installed: answers are compared without embeddings "
            "(pip install 'empo-serve[semantics]')"
        )
    else:
        stages.append(EmbeddingEquivalence(section))
    if section.nli_model:
        stages.append(NliEquivalence(section))
    if judge is not None:
        stages.append(judge)
    return Cascade(stages)
