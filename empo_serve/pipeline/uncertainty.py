"""What a user who asks for it is told of the uncertainty of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empo_serve.types import GroupScore, Sample, SampledGroup


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The samples of one user request and what they say."""

    group: SampledGroup
    score: GroupScore

    @property
    def consensus_sample(self) -> Sample | None:
        """The likeliest sample of the largest cluster with an answer; None if there is none."""
        answered = [i for i, answer in enumerate(self.score.answers) if answer]
        if not answered:
            return None
        ids = self.score.semantic_ids
        return max(
            (self.group.samples[i] for i in answered if ids[i] == self._largest(answered)),
            key=lambda sample: sample.mean_logprob,
        )

    def _largest(self, answered: list[int]) -> int:
        ids = [self.score.semantic_ids[i] for i in answered]
        return max(ids, key=lambda i: (ids.count(i), -i))

    def as_dict(self) -> dict[str, Any]:
        """The `empo` object of a response body."""
        score, total = self.score, len(self.score.answers)
        clusters = []
        for semantic_id in range(score.num_clusters):
            members = [i for i, s in enumerate(score.semantic_ids) if s == semantic_id]
            answer = score.answers[members[0]]
            count = len(members)
            clusters.append({"answer": answer, "count": count, "probability": count / total})
        clusters.sort(key=lambda cluster: -int(str(cluster["count"])))
        return {
            "query_id": self.group.query.query_id,
            "version": self.group.version,
            "samples": total,
            "semantic_entropy": score.semantic_entropy,
            "semantic_entropy_norm": score.semantic_entropy_norm,
            "num_clusters": score.num_clusters,
            "confidence": score.confidence,
            "clusters": clusters,
        }
