"""Users' requests that run, so that a server that stops can let them finish, or tell them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from empo_serve.errors import EngineUnavailable


class Drain:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_cut = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.is_closed = False

    @property
    def num_running(self) -> int:
        return len(self._tasks)

    def close(self) -> None:
        """Refuse new requests from now on."""
        self.is_closed = True

    async def wait(self, timeout_s: float) -> bool:
        """Wait until no request runs; False when some still do after `timeout_s` seconds."""
        try:
            await asyncio.wait_for(self._is_empty.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def cut(self) -> None:
        """End what still runs, with an error that its client can read."""
        self._is_cut = True
        for task in self._tasks:
            task.cancel()

    @contextmanager
    def request(self) -> Iterator[None]:
        """One request, from its body to the last byte of a stream. Raises EngineUnavailable."""
        if self.is_closed:
            raise EngineUnavailable("The server is shutting down. Please retry in a few seconds.")
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._is_empty.clear()
        try:
            with self.cut_is_an_error():
                yield
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._is_empty.set()

    @contextmanager
    def cut_is_an_error(self) -> Iterator[None]:
        """Around what waits for the engine: raises EngineUnavailable when the request is cut."""
        try:
            yield
        except asyncio.CancelledError as e:
            task = asyncio.current_task()
            if not self._is_cut or task is None:
                raise  # the client has left
            task.uncancel()
            raise EngineUnavailable("The server shut down in the middle of this answer.") from e
