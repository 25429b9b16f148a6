"""Looks at one engine again and again, and finds out when it hangs.

`/health` is no proof of life: on a GPU it is answered by another process than the one that
computes, and on a CPU it may be silent while a long prompt is worked on. What counts is what comes
out: bytes of answers, vLLM's own count of tokens, and for a child its CPU time. Before the
patience is over the engine is asked for one token, so that a request of which no byte can come yet
(not streamed, or of a client that does not read on) is never taken for a hung engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from empo_serve.config import EngineSection
from empo_serve.engine.client import EngineClient
from empo_serve.engine.evidence import Health
from empo_serve.engine.process import ChildProcess
from empo_serve.engine.progress import Progress
from empo_serve.errors import EngineError

# Below this share of one core a process only keeps itself alive: it answers /health, it polls.
_COMPUTING_SHARE = 0.05
_LONGEST_HEALTH_S = 5.0


class EngineWatch:
    """The evidence of one engine's life, from its start until it is given up.

    `model_name` says under which name the engine can be asked for a token. `child` is the process
    where it is ours, else None.
    """

    def __init__(
        self,
        client: EngineClient,
        section: EngineSection,
        model_name: Callable[[], str],
        child: ChildProcess | None = None,
    ) -> None:
        self._client = client
        self._child = child
        self._model_name = model_name
        self._health_timeout_s = min(_LONGEST_HEALTH_S, section.stall_timeout_s / 4)
        self._progress = Progress(
            section.stall_timeout_s,
            longest_gap_s=2 * (section.health_interval_s + self._health_timeout_s),
        )
        self._probe: asyncio.Task[None] | None = None
        self._counts: dict[str, float] | None = None
        self._cpu: tuple[float, float] | None = None  # clock time, CPU time so far
        client.answers.have_come()  # what came before is no evidence

    async def look(self) -> Health:
        """Ask for the engine's health, and take note of everything that speaks for its life."""
        client = self._client
        health = await client.health(self._health_timeout_s)
        is_asked = self._probe is not None and not self._probe.done()
        waited_for = client.inflight > 0 or health is Health.SILENT
        moved, computing = client.answers.have_come(), False
        if waited_for and not moved:
            moved = health is not Health.SILENT and await self._has_counted()
            computing = await self._is_computing()
        else:
            self._counts = self._cpu = None
        self._progress.look(
            time.monotonic(), moved=moved, waited_for=waited_for, computing=computing
        )
        if self._progress.is_doubtful and not is_asked:
            self._probe = asyncio.create_task(self._ask_for_a_token(), name="engine-probe")
        return health

    @property
    def stall(self) -> str | None:
        """What there is to say against an engine that hangs; None while it may be alive."""
        if not self._progress.is_stalled:
            return None
        return (
            f"no progress for {self._progress.silent_s:.0f} s, with {self._client.inflight} "
            "requests open, one of them ours for a single token"
        )

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)

    async def _ask_for_a_token(self) -> None:
        # Its answer counts as that of any other request. A refusal says nothing: the server
        # refuses by itself what the engine behind it never sees.
        with contextlib.suppress(EngineError):
            await self._client.one_token(self._model_name())

    async def _has_counted(self) -> bool:
        before, self._counts = self._counts, await self._client.counts()
        return before is not None and self._counts is not None and before != self._counts

    async def _is_computing(self) -> bool:
        if self._child is None:
            return False
        # Reading /proc takes milliseconds on a machine with many processes.
        cpu_s, is_on_its_way = await asyncio.to_thread(self._child.activity)
        before, self._cpu = self._cpu, (time.monotonic(), cpu_s)
        if before is None or is_on_its_way:
            return True  # not known yet; or it would compute if others left it a core
        return cpu_s - before[1] >= _COMPUTING_SHARE * (self._cpu[0] - before[0])
