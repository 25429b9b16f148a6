"""The versions that the engines know: each is on every engine that is up, or on none.

Loading and unloading are slow and may hang with an engine, so they have a lock of their own: a
switch between versions that are loaded already never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from empo_serve.adapters import files
from empo_serve.adapters.registry import Registry
from empo_serve.engine.client import EngineClient
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import AdapterError, EngineError
from empo_serve.types import AdapterState, AdapterVersion

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Loaded:
    """A version that the engines know, and who needs it."""

    adapter: AdapterVersion
    requests: int = 0  # that run on it
    holds: int = 0  # 1 for being live or the canary, 1 for each switch to it that is under way

    is_unwanted: bool = False  # to be unloaded as soon as nobody needs it

    @property
    def is_needed(self) -> bool:
        return self.requests > 0 or self.holds > 0


class LoadedVersions:
    def __init__(self, registry: Registry, engines: EnginePool) -> None:
        self._registry = registry
        self._engines = engines
        self._changing = asyncio.Lock()
        self.by_version: dict[str, Loaded] = {}

    def expect(self, adapter: AdapterVersion) -> Loaded:
        """Before any engine is up: a version that each engine gets when it comes up."""
        return self.by_version.setdefault(adapter.version, Loaded(adapter))

    @asynccontextmanager
    async def holding(self, adapter: AdapterVersion) -> AsyncIterator[Loaded]:
        """Load a version if no engine knows it, and keep it loaded for the block.

        Raises AdapterError or EngineError. A version that is loaded for a block that fails is
        unloaded again.
        """
        loaded = self.by_version.get(adapter.version)
        is_new = loaded is None
        if loaded is None:
            loaded = await self._load(adapter)
        loaded.holds += 1
        try:
            yield loaded
        except BaseException:
            loaded.holds -= 1
            if is_new:
                await self.unload(adapter.version)
            raise
        loaded.holds -= 1

    async def unload(self, version: str) -> None:
        """Make the engines forget a version, unless somebody needs it."""
        async with self._changing:
            loaded = self.by_version.get(version)
            if loaded is None or loaded.is_needed:
                return
            del self.by_version[version]
            if loaded.adapter.is_base:
                return
            try:
                await self._engines.unload_adapter(loaded.adapter.engine_name)
            except EngineError as e:
                # It gets no traffic any more, and the next `reconcile` tries again.
                log.warning("version %s is not unloaded everywhere: %s", version, e)
            else:
                log.info("version %s is unloaded", version)

    async def load_on(self, client: EngineClient) -> None:
        """Give one engine every loaded version; from the end of it on it may serve.

        Raises AdapterError when the files of a version that is needed are damaged, and
        EngineError.
        """
        async with self._changing:
            for loaded in list(self.by_version.values()):
                adapter = loaded.adapter
                if adapter.is_base:
                    await self._check_base(client, adapter.engine_name)
                    continue
                path = self._registry.path(adapter.version)
                try:
                    await asyncio.to_thread(files.check_manifest, path)
                except AdapterError as e:
                    if loaded.is_needed:
                        raise
                    # Only a rollback to it would need it.
                    log.error("version %s is not loaded: %s", adapter.version, e)
                    del self.by_version[adapter.version]
                else:
                    await client.load_adapter(adapter.engine_name, str(path))
            client.forgot.clear()

    async def reconcile(self, client: EngineClient) -> None:
        """See that an engine that is up knows exactly the loaded versions. Raises EngineError.

        An engine that others restart has forgotten them; one that was slow to answer may know a
        version that was given up since.
        """
        wanted = self._engine_names()
        listed = {str(model["id"]) for model in await client.models()}
        # What was loaded after the question is not in its answer.
        if wanted & self._engine_names() - listed:
            log.warning("engine %s has forgotten its adapters; loading them again", client.url)
            client.forgot.set()
        if client.forgot.is_set():
            await self.load_on(client)
        if any(name.startswith("empo-") for name in listed - wanted):
            await self._unload_strays(client)

    async def _unload_strays(self, client: EngineClient) -> None:
        """Unload our own versions that should not be there; what others loaded stays."""
        async with self._changing:
            ours = {a.engine_name for a in await self._registry.all() if not a.is_base}
            listed = {str(model["id"]) for model in await client.models()}
            for name in ours & listed - self._engine_names():
                await client.unload_adapter(name)
                log.info("engine %s had %s still loaded", client.url, name)

    async def _check_base(self, client: EngineClient, name: str) -> None:
        if name not in {str(model["id"]) for model in await client.models()}:
            raise EngineError(
                f"the engine {client.url} serves no model {name!r}: set model.name to the name "
                'that it serves, or engine.v0 = "zero"'
            )

    def _engine_names(self) -> set[str]:
        return {loaded.adapter.engine_name for loaded in self.by_version.values()}

    async def _load(self, adapter: AdapterVersion) -> Loaded:
        async with self._changing:
            loaded = self.by_version.get(adapter.version)
            if loaded is None:
                if not adapter.is_base:
                    path = self._registry.path(adapter.version)
                    await asyncio.to_thread(files.check_manifest, path)
                    await self._engines.load_adapter(adapter.engine_name, str(path))
                loaded = self.by_version[adapter.version] = Loaded(adapter)
            return loaded


def surplus(loaded: dict[str, Loaded], keep: int) -> list[str]:
    """Former live versions beyond the newest `keep`; those that were rolled back go first."""
    former = [
        entry
        for entry in loaded.values()
        if not entry.holds and entry.adapter.state is not AdapterState.CANDIDATE
    ]
    former.sort(key=lambda e: (e.adapter.state is AdapterState.RETIRED, int(e.adapter.version[1:])))
    return [entry.adapter.version for entry in former[: max(0, len(former) - keep)]]
