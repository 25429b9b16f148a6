"""The sequences that run at once; the others wait by priority, then by arrival."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    def __init__(self, count: int) -> None:
        self._free = count
        self._arrivals = itertools.count()
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self.num_running = 0

    @property
    def num_waiting(self) -> int:
        return sum(not turn.done() for _, _, turn in self._queue)

    @asynccontextmanager
    async def hold(self, priority: int) -> AsyncIterator[None]:
        """A lower priority goes first; a sequence that runs is never put back."""
        await self._take(priority)
        self.num_running += 1
        try:
            yield
        finally:
            self.num_running -= 1
            self._give_back()

    async def _take(self, priority: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the slot came just before the cancel
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
