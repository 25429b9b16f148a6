"""Which version answers: load, switch, drain, unload; roll back and pin.

A request finishes on the version it started on. Switching is one assignment between two requests;
everything slow (loading, checking) happens before it, everything else (unloading) after the last
request of the old version has ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from empo_serve.adapters import files
from empo_serve.adapters.registry import Registry
from empo_serve.db.database import Database
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.engine.client import EngineClient
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import AdapterError
from empo_serve.metrics import Metrics
from empo_serve.types import AdapterState, AdapterVersion

log = logging.getLogger(__name__)

_PINNED = "pinned_version"
_SWITCHABLE = {AdapterState.CANDIDATE, AdapterState.RETIRED, AdapterState.ROLLED_BACK}


@dataclass(slots=True)
class _Loaded:
    """A version that the engines know, and how many requests run on it."""

    adapter: AdapterVersion
    requests: int = 0


class Rollout:
    """Owns the set of loaded versions and the live one."""

    def __init__(
        self,
        registry: Registry,
        engines: EnginePool,
        database: Database,
        keep_loaded: int,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._engines = engines
        self._database = database
        self._keep_loaded = keep_loaded
        self._metrics = metrics
        self._loaded: dict[str, _Loaded] = {}
        self._live: _Loaded | None = None
        self._pinned: str | None = None
        self._switching = asyncio.Lock()
        self._unloads: set[asyncio.Task[None]] = set()

    # What answers.

    @property
    def live(self) -> AdapterVersion:
        if self._live is None:
            raise AdapterError("no adapter version is live yet")
        return self._live.adapter

    @property
    def pinned(self) -> str | None:
        return self._pinned

    @property
    def loaded(self) -> dict[str, int]:
        """Loaded versions and the number of requests that run on each."""
        return {version: entry.requests for version, entry in self._loaded.items()}

    @contextmanager
    def serving(self, version: str | None = None) -> Iterator[AdapterVersion]:
        """Hold a version for one request: the live one, or a loaded one by name.

        Raises AdapterError when that version is not loaded.
        """
        entry = self._live if version is None else self._loaded.get(version)
        if entry is None:
            names = ", ".join(self._loaded) or "none"
            raise AdapterError(f"version {version!r} is not loaded; loaded: {names}")
        entry.requests += 1
        try:
            yield entry.adapter
        finally:
            entry.requests -= 1
            if entry.requests == 0 and entry is not self._live:
                self._unload_soon()

    # Changes.

    async def start(self) -> None:
        """Read from the registry what is live and pinned; load nothing yet."""
        self._pinned = await read_setting(self._database, _PINNED)
        live = await self._registry.live()
        if live is None:
            await self._registry.go_live("v0", AdapterState.RETIRED)
            live = await self._registry.get("v0")
        await asyncio.to_thread(files.check_manifest, self._registry.path(live.version))
        self._live = self._loaded[live.version] = _Loaded(live)
        for adapter in await self._registry.recently_live(self._keep_loaded):
            self._loaded[adapter.version] = _Loaded(adapter)

    async def load_all(self, client: EngineClient) -> None:
        """Tell an engine that just started every version that should be loaded."""
        async with self._switching:
            for entry in list(self._loaded.values()):
                adapter = entry.adapter
                path = self._registry.path(adapter.version)
                try:
                    await asyncio.to_thread(files.check_manifest, path)
                except AdapterError as e:
                    if entry is self._live:
                        raise
                    # Only a rollback to it would need it.
                    log.error("version %s is not loaded: %s", adapter.version, e)
                    del self._loaded[adapter.version]
                else:
                    await client.load_adapter(adapter.engine_name, str(path))
            self._show()

    async def add_candidate(self, adapter: AdapterVersion) -> None:
        """Load a version that gets no traffic yet. Raises EngineError; then nothing has changed."""
        async with self._switching:
            await self._ensure_loaded(adapter)
            self._show()

    async def drop_candidate(self, adapter: AdapterVersion) -> None:
        """A candidate was refused: CANDIDATE -> REJECTED, and the engine forgets it."""
        await self._registry.set_state(adapter.version, AdapterState.REJECTED)
        await self.park_candidate(adapter)

    async def park_candidate(self, adapter: AdapterVersion) -> None:
        """Unload a candidate once no request holds it; it can be promoted later, by hand."""
        async with self._switching:
            await self._refresh()
            entry = self._loaded.get(adapter.version)
            if entry is not None and entry is not self._live and entry.requests == 0:
                del self._loaded[adapter.version]
                await self._engines.unload_adapter(adapter.engine_name)
            self._show()

    async def promote(
        self, version: str, old_becomes: AdapterState = AdapterState.RETIRED
    ) -> AdapterVersion:
        """Make a version the one that answers from now on. Raises AdapterError or EngineError."""
        async with self._switching:
            adapter = await self._registry.get(version)
            if adapter.state is AdapterState.LIVE:
                return adapter
            if adapter.state not in _SWITCHABLE:
                raise AdapterError(f"version {version} is {adapter.state} and cannot go live")
            started = time.perf_counter()
            try:
                entry = await self._ensure_loaded(adapter)
                await self._registry.go_live(version, old_becomes)
            except Exception:
                self._metrics.adapter_swaps.labels(outcome="failed").inc()
                raise
            old, self._live = self._live, entry
            await self._refresh()
            self._metrics.adapter_swaps.labels(outcome="ok").inc()
            self._metrics.adapter_swap_seconds.observe(time.perf_counter() - started)
            log.info("version %s is live (was %s)", version, old.adapter.version if old else None)
            self._show()
        self._unload_soon()
        return self.live

    async def roll_back(self, version: str) -> AdapterVersion:
        """Take the live version back; the version before it answers again."""
        if version != self.live.version:
            adapter = await self._registry.get(version)
            raise AdapterError(f"version {version} is {adapter.state}, not live")
        former = await self._former()
        if self._pinned == version:
            await self.unpin()
        return await self.promote(former, old_becomes=AdapterState.ROLLED_BACK)

    async def pin(self, version: str) -> AdapterVersion:
        """Make a version live and keep it so: new versions are trained but not promoted."""
        adapter = await self.promote(version)
        await write_setting(self._database, _PINNED, version)
        self._pinned = version
        return adapter

    async def unpin(self) -> None:
        await write_setting(self._database, _PINNED, None)
        self._pinned = None

    async def settle(self) -> None:
        """Wait until every unload that was due has happened."""
        while self._unloads:
            await asyncio.gather(*self._unloads)

    # Inside.

    async def _former(self) -> str:
        """The version to go back to: the nearest ancestor that was not taken back itself."""
        parent = self.live.parent
        while parent is not None:
            adapter = await self._registry.get(parent)
            if adapter.state in (AdapterState.RETIRED, AdapterState.CANDIDATE):
                return parent
            parent = adapter.parent
        raise AdapterError(f"there is no version before {self.live.version} to go back to")

    async def _ensure_loaded(self, adapter: AdapterVersion) -> _Loaded:
        entry = self._loaded.get(adapter.version)
        if entry is None:
            await self._load(adapter)
            entry = self._loaded[adapter.version] = _Loaded(adapter)
        return entry

    async def _load(self, adapter: AdapterVersion) -> None:
        path = self._registry.path(adapter.version)
        await asyncio.to_thread(files.check_manifest, path)
        await self._engines.load_adapter(adapter.engine_name, str(path))

    async def _refresh(self) -> None:
        """States have changed in the registry: read them again."""
        for entry in self._loaded.values():
            entry.adapter = await self._registry.get(entry.adapter.version)

    def _unload_soon(self) -> None:
        task = asyncio.create_task(self._unload_surplus(), name="adapter-unload")
        self._unloads.add(task)
        task.add_done_callback(self._unloads.discard)

    async def _unload_surplus(self) -> None:
        """Unload former versions without requests, but the newest few."""
        async with self._switching:
            former = [
                entry
                for entry in self._loaded.values()
                if entry is not self._live and entry.adapter.state is not AdapterState.CANDIDATE
            ]
            former.sort(
                key=lambda e: (e.adapter.state is AdapterState.RETIRED, int(e.adapter.version[1:]))
            )
            surplus = former[: max(0, len(former) - self._keep_loaded)]
            for entry in surplus:
                if entry.requests == 0:
                    del self._loaded[entry.adapter.version]
                    await self._engines.unload_adapter(entry.adapter.engine_name)
                    log.info("version %s is unloaded", entry.adapter.version)
            self._show()

    def _show(self) -> None:
        info = self._metrics.adapter_version_info
        info.clear()
        for version, entry in self._loaded.items():
            info.labels(version=version, state=entry.adapter.state.value).set(1)
