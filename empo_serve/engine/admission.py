"""Who may use the engine now: users always, background work in the room that they leave.

vLLM's priorities only order its waiting queue: a background sequence that runs is never stopped
for a user, and each one makes every step longer. So the gateway counts both kinds itself, lets
background work begin only while no user waits, and cuts it off when users need the room.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from empo_serve.config import Config
from empo_serve.engine.managed import has_gpu
from empo_serve.metrics import Metrics

_RECENT_S = 10.0  # times to the first token that still count
_LOOK_AGAIN_S = 0.5  # room can come without an event: a slow user's time passes, an engine comes up
_PATIENCE_S = 1.0
_QUIET_S = 0.25  # on an idle-only engine: users who talk in turns are not done at each pause


class UserTurn:
    """One user request that is being answered."""

    def __init__(self, started: float, stream: bool) -> None:
        self.started = started
        self.is_waiting = stream  # for its first token; other answers come all at once


class Lease:
    """Room for `num_seqs` background sequences, until it is given back or taken away."""

    def __init__(self, num_seqs: int) -> None:
        self.num_seqs = num_seqs
        self.was_cut = False
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work. False when it was cut off because users need the room."""
        self._task = asyncio.create_task(work)
        if self.was_cut:
            self._task.cancel()
        try:
            await asyncio.wait({self._task})
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.was_cut and self._task.cancelled():
            return False
        self._task.result()
        return True

    def cut(self) -> None:
        self.was_cut = True
        if self._task is not None:
            self._task.cancel()


class Admission:
    """Counts sequences of users and of background work on all engines together."""

    def __init__(
        self,
        config: Config,
        engines_up: Callable[[], int],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampling = config.sampling
        self._seqs_per_engine = config.engine.max_num_seqs
        self._cap = config.background_seqs
        self._only_idle = config.sampling.when == "idle" or (
            config.sampling.when == "auto" and config.engine.kind == "managed" and not has_gpu()
        )
        self._engines_up = engines_up
        self._metrics = metrics
        self._clock = clock
        self._users: set[UserTurn] = set()
        self._user_seqs = 0
        self._last_user = -_QUIET_S
        self._first_tokens: deque[tuple[float, float]] = deque(maxlen=256)
        self._leases: list[Lease] = []
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    # Users.

    @contextmanager
    def user(self, num_seqs: int, stream: bool) -> Iterator[UserTurn]:
        """Count a user request while it is answered. Never waits."""
        turn = UserTurn(self._clock(), stream)
        self._users.add(turn)
        self._user_seqs += num_seqs
        self._make_room()
        try:
            yield turn
        finally:
            self._users.remove(turn)
            self._user_seqs -= num_seqs
            self._last_user = self._clock()
            self._changed.set()

    def first_token(self, turn: UserTurn) -> None:
        """The first event of a user's stream is there."""
        now = self._clock()
        turn.is_waiting = False
        self._first_tokens.append((now, now - turn.started))
        self._make_room()

    # Background.

    def room(self) -> int:
        """Background sequences that may run now, those that run already included."""
        up = self._engines_up()
        capacity = up * self._seqs_per_engine
        if not up or self._user_seqs > capacity or self._is_slow():
            return 0
        if self._only_idle and (self._users or self._clock() - self._last_user < _QUIET_S):
            return 0
        return min(up * self._cap, capacity - self._user_seqs)

    @property
    def num_background_seqs(self) -> int:
        return sum(lease.num_seqs for lease in self._leases)

    @asynccontextmanager
    async def background(self, num_seqs: int) -> AsyncIterator[Lease]:
        """Wait for room for up to `num_seqs` background sequences; first come, first served."""
        lease = await self._enter(num_seqs)
        try:
            yield lease
        finally:
            self._leave(lease)

    async def run_soon(
        self, work: Callable[[], Coroutine[Any, Any, None]], num_seqs: int = 1
    ) -> None:
        """Do short work of one sequence, or of a few, in the room that users leave; if there is
        none for a second, beside them. It is for what must not wait for ever where users never
        pause: the gate, and the warming of a version that is about to serve them."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        is_done = False
        while not is_done:
            try:
                async with asyncio.timeout_at(deadline):
                    lease = await self._enter(num_seqs)
            except TimeoutError:
                await work()
                return
            try:
                is_done = await lease.run(work())
            finally:
                self._leave(lease)

    # Inside.

    async def _enter(self, num_seqs: int) -> Lease:
        async with self._turn:
            while (free := self.room() - self.num_background_seqs) <= 0:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _LOOK_AGAIN_S)
            lease = Lease(min(num_seqs, free))
            self._leases.append(lease)
            self._show()
            return lease

    def _leave(self, lease: Lease) -> None:
        self._leases.remove(lease)
        self._show()
        self._changed.set()

    def _make_room(self) -> None:
        """Cut off background work that no longer fits, the newest first: it loses least."""
        running = self.num_background_seqs
        if not running:
            return
        room = self.room()
        for lease in reversed(self._leases):
            if running <= room:
                break
            if not lease.was_cut:
                lease.cut()
                self._metrics.background_preempted.inc()
            running -= lease.num_seqs

    def _is_slow(self) -> bool:
        """Is the time to users' first token over budget, now or lately?"""
        now, budget = self._clock(), self._sampling.ttft_budget_s
        if any(turn.is_waiting and now - turn.started > budget for turn in self._users):
            return True
        while self._first_tokens and now - self._first_tokens[0][0] > _RECENT_S:
            self._first_tokens.popleft()
        return bool(self._first_tokens) and (
            statistics.median(seconds for _, seconds in self._first_tokens) > budget
        )

    def _show(self) -> None:
        self._metrics.background_seqs.set(self.num_background_seqs)
