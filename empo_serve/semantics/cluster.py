"""Answers of one group -> clusters of equal meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from empo_serve.semantics.base import Equivalence

Order = Literal["frequency", "reference"]


def semantic_ids(
    question: str, answers: Sequence[str], equivalence: Equivalence, order: Order = "frequency"
) -> list[int]:
    """Cluster ids of `answers`, numbered 0, 1, ... in order of first appearance.

    Each answer joins the first representative that says the same, or else becomes one itself; the
    `order` is in which they take their turns. "frequency": the most frequent text first, then by
    text, so the partition does not depend on the order of the samples, even where the equivalence
    is not transitive. "reference": in order of arrival, as the published implementations do it
    (EMPO's verl code, lm-polygraph), for comparisons with them.

    Equal texts are compared once. An answer without text is never equal to anything, not even to
    another one: each gets a cluster of its own.

    Raises ScorerError where a comparison that is needed cannot be decided in time.
    """
    texts = [answer.strip() for answer in answers]
    counts = Counter(text for text in texts if text)
    waiting = list(counts)  # in order of arrival
    if order == "frequency":
        waiting.sort(key=lambda text: (-counts[text], text))
    representative: dict[str, str] = {}
    while waiting:
        leader, *others = waiting
        representative[leader] = leader
        waiting = []
        if not others:
            break
        pairs = [(min(leader, other), max(leader, other)) for other in others]
        for other, verdict in zip(others, equivalence.same(question, pairs), strict=True):
            if verdict.same:
                representative[other] = leader
            else:
                waiting.append(other)
    ids: list[int] = []
    id_of: dict[str, int] = {}
    num_clusters = 0
    for text in texts:
        leader = representative.get(text, "")
        if not leader or leader not in id_of:
            id_of[leader] = num_clusters
            num_clusters += 1
        ids.append(id_of[leader])
    return ids
