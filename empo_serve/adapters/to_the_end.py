"""Changes that go on to their end when whoever asked for them leaves: half a change is none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class ToTheEnd:
    """Runs changes, and knows which are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, change: Coroutine[Any, Any, T]) -> T:
        """Its result, or what it raises. A cancelled caller does not stop it."""
        return await asyncio.shield(self.start(change))

    def start(self, change: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let it go on by itself."""
        task = asyncio.create_task(change, name="adapter-change")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
