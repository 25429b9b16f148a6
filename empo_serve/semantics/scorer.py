"""Scoring of groups, and the child process that does it for the gateway.

    python -m empo_serve.semantics.scorer '{"equivalence": "auto", ...}'

The child reads one JSON object per line: {"id", "question", "completions", "truncated",
"mean_logprobs", "judged"}, and answers each with {"id", "score"}, {"id", "error"}, or
{"id", "unjudged": [[a, b], ...]}: then the same group has to come again, with those pairs in
"judged": [[a, b, probability or null], ...]. "judged": null says that no judge takes part. So the
child never waits for a model that it does not hold itself. Its first line is {"ready": true}, or
{"ready": false, "error"} and exit code 1. It ends when its input ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.cache import CachedEquivalence
from empo_serve.semantics.cascade import make_equivalence
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.entropy import (
    confidence,
    miller_madow_entropy,
    normalized_entropy,
    rao_semantic_entropy,
    semantic_entropy,
)
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.judge import Ask, JudgeEquivalence, Told, Unjudged
from empo_serve.types import GroupScore

ESTIMATORS = {"plugin": semantic_entropy, "miller_madow": miller_madow_entropy}


class Scorer:
    """Extraction, clustering and entropy with one equivalence. Not for several threads.

    `equivalence.calls` counts the pairs that were compared. `ask` asks the judge, if there is one.
    Raises StartupError when a part that `section` asks for is not installed.
    """

    def __init__(self, section: SemanticsSection, ask: Ask | None = None) -> None:
        self._judge = None if ask is None else JudgeEquivalence(section.judge_threshold, ask)
        self._judge_decides = section.equivalence == "judge"
        self.equivalence = CachedEquivalence(make_equivalence(section, self._judge))
        self._entropy = ESTIMATORS[section.entropy_estimator]

    def let_judge(self, takes_part: bool) -> None:
        """Does the judge take part from now on? Where nobody else decides it always does."""
        if self._judge is None or self._judge_decides:
            return
        if self._judge.takes_part != takes_part:
            self._judge.takes_part = takes_part
            self.equivalence.clear()

    def score(
        self, question: str, answers: Sequence[str], mean_logprobs: Sequence[float] | None = None
    ) -> GroupScore:
        """Score final answers; "" is a sample without one.

        `mean_logprobs[i]` is the mean token log-probability of sample i, in nats. Raises ValueError
        for no answers, or log-probabilities that are not finite or not as many; ScorerError where
        two answers cannot be compared in time.
        """
        ids = semantic_ids(question, answers, self.equivalence)
        entropy = self._entropy(ids)
        return GroupScore(
            answers=tuple(answers),
            semantic_ids=tuple(ids),
            semantic_entropy=entropy,
            rao_semantic_entropy=(
                None if mean_logprobs is None else rao_semantic_entropy(ids, mean_logprobs)
            ),
            semantic_entropy_norm=normalized_entropy(entropy, len(ids)),
            num_clusters=len(set(ids)),
            confidence=confidence(entropy, len(ids)),
        )

    def score_completions(
        self,
        question: str,
        completions: Sequence[str],
        truncated: Sequence[bool],
        mean_logprobs: Sequence[float] | None = None,
    ) -> GroupScore:
        """Score full completions. One that was cut off at the token limit has no answer."""
        answers = [
            "" if is_truncated else extract_answer(question, completion)
            for completion, is_truncated in zip(completions, truncated, strict=True)
        ]
        return self.score(question, answers, mean_logprobs)

    def close(self) -> None:
        self.equivalence.close()


def main() -> int:
    requests, replies = _protocol_streams()
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which closes stdin
    told = Told()
    try:
        scorer = Scorer(SemanticsSection.model_validate_json(sys.argv[1]), told)
        scorer.equivalence.load()
    except StartupError as e:
        _send(replies, {"ready": False, "error": str(e)})
        return 1
    _send(replies, {"ready": True, "pid": os.getpid()})
    try:
        for line in requests:
            _send(replies, _answer(scorer, told, line))
    finally:
        scorer.close()
    return 0


def _answer(scorer: Scorer, told: Told, line: bytes) -> dict[str, Any]:
    request_id = None
    try:
        request = json.loads(line)
        request_id = request["id"]
        judged = request.get("judged")
        scorer.let_judge(judged is not None)
        told.answers = {(a, b): probability for a, b, probability in judged or ()}
        score = scorer.score_completions(
            request["question"],
            request["completions"],
            request["truncated"],
            request.get("mean_logprobs"),
        )
    except Unjudged as e:
        return {"id": request_id, "unjudged": e.pairs}
    except Exception as e:
        # One group must not cost the others their scorer: it is reported and counted by the parent.
        return {"id": request_id, "error": f"{type(e).__name__}: {e}"}
    return {"id": request_id, "score": asdict(score)}


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message, allow_nan=False).encode("ascii") + b"\n")
    replies.flush()


def _protocol_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the real standard output for replies; whatever else prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, replies


def _die_with_parent() -> None:
    # The end of stdin is noticed between groups only; a killed gateway must not leave a busy child.
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
