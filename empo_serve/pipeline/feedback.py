"""From a user's rating to the version that is rated.

A query can be rated by whoever asked it, as soon as it is answered: the latest are remembered
here, older ones are found in the buffer. What opted out of learning is in neither, and so is what
was deleted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from empo_serve.buffer.feedback import FeedbackStore
from empo_serve.buffer.store import GroupStore
from empo_serve.metrics import Metrics
from empo_serve.types import UserRequest

_MAX_ANSWERED = 20_000  # queries that are remembered; about 5 MB


@dataclass(frozen=True, slots=True)
class _Answered:
    principal: str
    version: str
    arrived_at: float  # unix seconds


class Feedback:
    """`on_rated(version, score)` is called for every rating."""

    def __init__(self, groups: GroupStore, ratings: FeedbackStore, metrics: Metrics) -> None:
        self._groups = groups
        self._ratings = ratings
        self._metrics = metrics
        self._answered: OrderedDict[str, _Answered] = OrderedDict()
        self.on_rated: Callable[[str, float], None] = lambda version, score: None

    def answered(self, request: UserRequest, version: str) -> None:
        """An answer went out; it may be rated, unless its query may not be kept."""
        if request.not_learned is not None:
            return
        query = request.query
        self._answered[query.query_id] = _Answered(query.principal, version, query.arrived_at)
        if len(self._answered) > _MAX_ANSWERED:
            self._answered.popitem(last=False)

    async def rate(self, query_id: str, principal: str, score: float, comment: str | None) -> bool:
        """Keep a rating of -1 to 1. False when this principal has no such query."""
        known = self._answered.get(query_id)
        if known is None:
            row = await self._groups.get(query_id)
            if row is None:
                return False
            # Not always the version that answered, but the one that stood for it.
            known = _Answered(row["principal"], row["version"], row["arrived_at"])
        if known.principal != principal:
            return False
        await self._ratings.put(
            query_id, principal, known.version, score, comment, known.arrived_at
        )
        rating = "up" if score > 0 else "down" if score < 0 else "neutral"
        self._metrics.feedback.labels(rating=rating).inc()
        self.on_rated(known.version, score)
        return True

    async def delete(
        self,
        query_id: str | None = None,
        before: float | None = None,
        principal: str | None = None,
    ) -> int:
        """Delete queries with their ratings, as GroupStore.delete does; none can be rated again.
        The number of queries."""
        if query_id is None and before is None and principal is None:
            return 0
        for known_id, known in list(self._answered.items()):
            if (
                (query_id is None or known_id == query_id)
                and (before is None or known.arrived_at < before)
                and (principal is None or known.principal == principal)
            ):
                del self._answered[known_id]
        return await self._groups.delete(query_id, before, principal)
