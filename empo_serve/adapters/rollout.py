"""Which version answers: load, warm, switch, drain, unload; roll back and pin.

A request finishes on the version it started on. Switching is one assignment between two requests;
everything slow (loading, checking, warming) happens before it, everything else (unloading) after
the last request of the old version has ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from empo_serve.adapters import files
from empo_serve.adapters.loaded import Loaded, LoadedVersions, surplus
from empo_serve.adapters.registry import Registry
from empo_serve.adapters.to_the_end import ToTheEnd
from empo_serve.db.database import Database
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.engine.client import EngineClient
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import AdapterError
from empo_serve.metrics import Metrics
from empo_serve.types import AdapterState, AdapterVersion

log = logging.getLogger(__name__)

Warm = Callable[[AdapterVersion, Sequence[EngineClient]], Awaitable[None]]

_PINNED = "pinned_version"
_SWITCHABLE = {
    AdapterState.CANDIDATE,
    AdapterState.CANARY,
    AdapterState.RETIRED,
    AdapterState.ROLLED_BACK,
}


class Rollout:
    """Owns the set of loaded versions and the live one.

    `warm` is awaited before a version goes live: it fills the engines' prefix caches, and raises
    nothing.
    """

    def __init__(
        self,
        registry: Registry,
        engines: EnginePool,
        database: Database,
        keep_loaded: int,
        metrics: Metrics,
        warm: Warm,
    ) -> None:
        self._registry = registry
        self._engines = engines
        self._database = database
        self._keep_loaded = keep_loaded
        self._metrics = metrics
        self._warm = warm
        self._loaded = LoadedVersions(registry, engines)
        self._live: Loaded | None = None
        self._canary: Loaded | None = None
        self._pinned: str | None = None
        self._switching = asyncio.Lock()  # short: only the database is waited for under it
        self._changes = ToTheEnd()

    # What answers.

    @property
    def live(self) -> AdapterVersion:
        if self._live is None:
            raise AdapterError("no adapter version is live yet")
        return self._live.adapter

    @property
    def canary(self) -> AdapterVersion | None:
        """The version that answers a share of the traffic beside the live one."""
        return None if self._canary is None else self._canary.adapter

    @property
    def pinned(self) -> str | None:
        return self._pinned

    @property
    def loaded(self) -> dict[str, int]:
        """Loaded versions and the number of requests that run on each."""
        return {version: entry.requests for version, entry in self._loaded.by_version.items()}

    @contextmanager
    def serving(self, version: str | None = None) -> Iterator[AdapterVersion]:
        """Hold a version for one request: the live one, or a loaded one by name.

        Raises AdapterError when that version is not loaded.
        """
        entry = self._live if version is None else self._loaded.by_version.get(version)
        if entry is None:
            names = ", ".join(self.loaded) or "none"
            raise AdapterError(f"version {version!r} is not loaded; loaded: {names}")
        entry.requests += 1
        try:
            yield entry.adapter
        finally:
            entry.requests -= 1
            if not entry.is_needed:
                self._unload_soon()

    # Engines.

    async def start(self, keep: Sequence[str] = (), with_canary: bool = False) -> None:
        """Read what is live and pinned; load nothing yet. The versions `keep` stay loaded.

        A canary of a former process goes on if it may; else it is a candidate again.
        """
        self._pinned = await read_setting(self._database, _PINNED)
        live = await self._registry.live()
        if live is None:
            await self._registry.go_live("v0", AdapterState.RETIRED)
            live = await self._registry.get("v0")
        await asyncio.to_thread(files.check_manifest, self._registry.path(live.version))
        self._live = self._loaded.expect(live)
        self._live.holds += 1
        for adapter in await self._registry.recently_live(self._keep_loaded):
            self._loaded.expect(adapter)
        if (canary := await self._registry.canary()) is not None:
            if with_canary and self._pinned is None and canary.parent == live.version:
                self._canary = self._loaded.expect(canary)
                self._canary.holds += 1
            else:
                await self._registry.set_state(canary.version, AdapterState.CANDIDATE)
        for version in keep:
            self._loaded.expect(await self._registry.get(version)).holds += 1

    async def load_all(self, client: EngineClient) -> None:
        """Tell an engine that just started every version that should be loaded."""
        await self._loaded.load_on(client)
        # While it is the only engine, users wait for it: a cold answer is sooner than none.
        if self._live is not None and self._engines.is_up:
            await self._warm(self._live.adapter, [client])
            await self._loaded.load_on(client)  # what came meanwhile
        self._show()

    async def reconcile(self, client: EngineClient) -> None:
        """See that an engine that is up still has its adapters. Raises EngineError."""
        await self._loaded.reconcile(client)

    # Changes. Each goes on to its end when the caller leaves: half a change is none.

    async def add_candidate(self, adapter: AdapterVersion) -> None:
        """Load a version that gets no traffic yet. Raises EngineError; then nothing has changed."""
        async with self._loaded.holding(adapter):
            self._show()

    @asynccontextmanager
    async def lending(self, version: str) -> AsyncIterator[AdapterVersion]:
        """Hold a version for the block, loaded if need be. Raises AdapterError or EngineError."""
        adapter = await self._registry.get(version)
        try:
            async with self._loaded.holding(adapter) as entry:
                yield entry.adapter
        finally:
            self._unload_soon()

    async def drop_candidate(self, adapter: AdapterVersion) -> None:
        """A candidate was refused: CANDIDATE -> REJECTED, and the engine forgets it."""
        async with self._switching:
            current = await self._registry.get(adapter.version)
            if current.state is AdapterState.CANDIDATE:  # else an operator wanted it after all
                await self._registry.set_state(adapter.version, AdapterState.REJECTED)
        await self.park_candidate(adapter)

    async def park_candidate(self, adapter: AdapterVersion) -> None:
        """Unload a candidate once no request holds it; it can be promoted later, by hand."""
        await self._loaded.unload(adapter.version)
        self._show()

    async def start_canary(self, version: str) -> AdapterVersion:
        """CANDIDATE -> CANARY: from now on it may be asked for by `serving`.

        Raises AdapterError when there is a canary, when a version is pinned, or when the canary's
        parent is not live, or EngineError; then nothing has changed.
        """
        return await self._changes.run(self._start_canary(version))

    async def promote(self, version: str) -> AdapterVersion:
        """Make a version the one that answers from now on.

        Raises AdapterError, also when another version goes live while this one is being loaded,
        or EngineError; then nothing has changed.
        """
        return await self._changes.run(self._promote(version, self._live))

    async def roll_back(self, version: str) -> AdapterVersion:
        """Take the live version back; the version before it answers again. Or the canary; then
        the live version answers all. Returns what answers.

        This is for emergencies: it waits neither for a promotion that is under way (which then
        fails) nor for a prefix cache.
        """
        return await self._changes.run(self._roll_back(version))

    async def pin(self, version: str) -> AdapterVersion:
        """Make a version live and keep it so: new versions are trained but not promoted."""
        return await self._changes.run(self._promote(version, self._live, is_pin=True))

    async def unpin(self) -> None:
        async with self._switching:
            await self._pin(None)

    async def settle(self) -> None:
        """Wait until every change and every unload that was due has happened."""
        await self._changes.settle()

    # Inside.

    async def _promote(
        self, version: str, live: Loaded | None, is_pin: bool = False
    ) -> AdapterVersion:
        adapter = await self._registry.get(version)
        if adapter.state is not AdapterState.LIVE:
            self._check_switchable(adapter, is_pin)
            started = time.perf_counter()
            try:
                async with self._loaded.holding(adapter) as entry:
                    await self._warm(adapter, [c for c in self._engines.clients if c.can_serve])
                    async with self._switching:
                        self._check_switchable(await self._registry.get(version), is_pin)
                        if self._live not in (live, entry):
                            raise AdapterError(
                                f"version {self.live.version} went live while {version} was being "
                                f"loaded; promote {version} again if you still want it"
                            )
                        await self._switch(entry, AdapterState.RETIRED)
                        if is_pin:
                            await self._pin(version)
            except BaseException:
                self._metrics.adapter_swaps.labels(outcome="failed").inc()
                raise
            finally:
                self._unload_soon()
            self._metrics.adapter_swap_seconds.observe(time.perf_counter() - started)
            return entry.adapter
        async with self._switching:
            if self.live.version != version:
                raise AdapterError(f"version {version} is not live any more; promote it again")
            if is_pin:
                await self._pin(version)
            return self.live

    async def _start_canary(self, version: str) -> AdapterVersion:
        adapter = await self._registry.get(version)
        try:
            async with self._loaded.holding(adapter) as entry:
                await self._warm(adapter, [c for c in self._engines.clients if c.can_serve])
                async with self._switching:
                    adapter = await self._registry.get(version)
                    if adapter.state is not AdapterState.CANDIDATE:
                        raise AdapterError(f"version {version} is {adapter.state}, no candidate")
                    if self._canary is not None:
                        raise AdapterError(f"version {self._canary.adapter.version} is the canary")
                    if self._pinned is not None:
                        raise AdapterError(f"version {self._pinned} is pinned; unpin it first")
                    if adapter.parent != self.live.version:
                        raise AdapterError(f"its parent {adapter.parent} is no longer live")
                    await self._registry.set_state(version, AdapterState.CANARY)
                    entry.adapter = replace(adapter, state=AdapterState.CANARY)
                    entry.holds += 1
                    self._canary = entry
                    log.info("version %s is the canary beside %s", version, self.live.version)
        finally:
            self._unload_soon()
        self._show()
        return entry.adapter

    async def _end_canary(self, becomes: AdapterState) -> None:
        """CANARY -> any state but LIVE; the caller holds the lock. First the database."""
        if self._canary is not None:
            await self._registry.set_state(self._canary.adapter.version, becomes)
            self._forget_canary(becomes)

    def _forget_canary(self, becomes: AdapterState) -> None:
        entry = self._canary
        if entry is None:
            return
        self._canary = None
        entry.adapter = replace(entry.adapter, state=becomes)
        entry.holds -= 1
        entry.is_unwanted = True
        self._unload_soon()
        log.info("version %s is no longer the canary, but %s", entry.adapter.version, becomes)
        self._show()

    async def _roll_back(self, version: str) -> AdapterVersion:
        started = time.perf_counter()
        async with self._switching:
            if self._canary is not None and self._canary.adapter.version == version:
                await self._end_canary(AdapterState.ROLLED_BACK)
                self._metrics.adapter_swap_seconds.observe(time.perf_counter() - started)
                return self.live
        while True:
            former = await self._former(version)
            async with self._loaded.holding(former) as entry, self._switching:
                if await self._former(version) != former:
                    continue
                await self._switch(entry, AdapterState.ROLLED_BACK)
                if self._pinned == version:
                    await self._pin(None)
            self._metrics.adapter_swap_seconds.observe(time.perf_counter() - started)
            self._unload_soon()
            return entry.adapter

    async def _former(self, version: str) -> AdapterVersion:
        """The version to go back to: the nearest ancestor that was not taken back itself."""
        if version != self.live.version:
            adapter = await self._registry.get(version)
            raise AdapterError(f"version {version} is {adapter.state}, not live")
        parent = self.live.parent
        while parent is not None:
            adapter = await self._registry.get(parent)
            if adapter.state in (AdapterState.RETIRED, AdapterState.CANDIDATE):
                return adapter
            parent = adapter.parent
        raise AdapterError(f"there is no version before {version} to go back to")

    def _check_switchable(self, adapter: AdapterVersion, is_pin: bool) -> None:
        if adapter.state not in _SWITCHABLE | {AdapterState.LIVE}:
            raise AdapterError(f"version {adapter.version} is {adapter.state} and cannot go live")
        if self._pinned not in (None, adapter.version) and not is_pin:
            raise AdapterError(f"version {self._pinned} is pinned; unpin it first")

    async def _switch(self, entry: Loaded, old_becomes: AdapterState) -> None:
        """First the database, then one assignment: a failing disk leaves the live version live."""
        old, version = self._live, entry.adapter.version
        if old is entry:
            return
        # A canary was compared with a version that is not live any more; and what came of a version
        # that was taken back is not to be trusted either.
        is_rollback = old_becomes is AdapterState.ROLLED_BACK
        canary_becomes = AdapterState.ROLLED_BACK if is_rollback else AdapterState.CANDIDATE
        await self._registry.go_live(version, old_becomes, canary_becomes)
        if entry is self._canary:
            self._canary = None
            entry.holds -= 1
        self._live = entry
        entry.adapter = replace(entry.adapter, state=AdapterState.LIVE)
        entry.holds += 1
        entry.is_unwanted = False
        if old is not None:
            old.adapter = replace(old.adapter, state=old_becomes)
            old.holds -= 1
        self._forget_canary(canary_becomes)
        self._metrics.adapter_swaps.labels(outcome="ok").inc()
        log.info("version %s is live (was %s)", version, old.adapter.version if old else None)
        self._show()

    async def _pin(self, version: str | None) -> None:
        if version is not None:
            await self._end_canary(AdapterState.CANDIDATE)
        await write_setting(self._database, _PINNED, version)
        self._pinned = version

    def _unload_soon(self) -> None:
        self._changes.start(self._unload_surplus()).add_done_callback(_log_failure)

    async def _unload_surplus(self) -> None:
        """Unload former versions without requests, but the newest few, and former canaries."""
        loaded = self._loaded.by_version
        for version in [version for version, entry in loaded.items() if entry.is_unwanted]:
            await self._loaded.unload(version)
        for version in surplus(self._loaded.by_version, self._keep_loaded):
            await self._loaded.unload(version)
        self._show()

    def _show(self) -> None:
        info = self._metrics.adapter_version_info
        info.clear()
        for version, entry in self._loaded.by_version.items():
            info.labels(version=version, state=entry.adapter.state.value).set(1)


def _log_failure(unloading: asyncio.Task[None]) -> None:
    if not unloading.cancelled() and (error := unloading.exception()) is not None:
        log.error("unloading former versions failed", exc_info=error)
