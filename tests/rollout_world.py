"""The real rollout, registry and database over fake engines on loopback, all in one process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapter_files import write_adapter
from aiohttp import web

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.db.database import Database
from empo_serve.engine.client import EngineClient
from empo_serve.engine.fake.server import FakeEngine, Knobs
from empo_serve.engine.fake.tokenizer import ANSWER_WORDS
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import EmpoError
from empo_serve.metrics import Metrics
from empo_serve.types import AdapterVersion

KEEP_LOADED = 2


class FakeServer:
    """One fake engine that can be stopped and started again on its port."""

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def is_running(self) -> bool:
        return self._runner is not None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = FakeEngine(Knobs(model="fake", tokens_per_s=2000)).app()
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()


class World:
    """Everything that a swap needs. Version vN answers with word N of the fake engine, repeated;
    v0 as the engine's base model does, where it has a `base_name`."""

    def __init__(
        self,
        directory: Path,
        num_engines: int = 2,
        control_timeout_s: float = 5.0,
        base_name: str | None = None,
        keep: Sequence[str] = (),
    ):
        self.directory = directory
        self.servers = [FakeServer() for _ in range(num_engines)]
        self.warmed: list[tuple[str, int]] = []
        self._control_timeout_s = control_timeout_s
        self._base_name = base_name
        self._keep = keep

    async def start(self) -> None:
        for server in self.servers:
            await server.start()
        self.engines = EnginePool(
            [server.url for server in self.servers], 5.0, self._control_timeout_s
        )
        self.database = Database(self.directory / "empo.db")
        await self.database.open()
        self.registry = Registry(self.database, self.directory / "adapters", self._base_name)
        self.registry.path("v0").parent.mkdir(exist_ok=True)
        if not await self.registry.all():
            await self._publish(None, seed=None)
        await self.registry.open()
        self.rollout = self.new_rollout()
        await self.rollout.start(self._keep)
        for client in self.engines.clients:
            await self.bring_up(client)

    def new_rollout(self) -> Rollout:
        async def warm(adapter: AdapterVersion, clients: Any) -> None:
            self.warmed.append((adapter.version, len(clients)))

        return Rollout(self.registry, self.engines, self.database, KEEP_LOADED, Metrics(), warm)

    async def stop(self) -> None:
        await self.rollout.settle()
        await self.engines.close()
        for server in self.servers:
            await server.stop()
        await self.database.close()

    async def publish(self, **fake: Any) -> str:
        """A new candidate of the live version; `fake` is how the engine behaves under it."""
        return await self._publish(self.rollout.live.version, seed=1, **fake)

    async def _publish(self, parent: str | None, seed: int | None, **fake: Any) -> str:
        number = len(await self.registry.all())
        behaviour = {"answer": answer_of(f"v{number}"), **fake}
        source = write_adapter(self.directory / "source", seed=seed, fake=behaviour)
        try:
            return (await self.registry.publish(source, parent)).version
        finally:
            shutil.rmtree(source)

    async def bring_up(self, client: EngineClient) -> None:
        """What the watcher of an attached engine does when it answers again."""
        client.is_up = False
        await self.rollout.load_all(client)
        client.is_up = True

    async def restart(self, number: int) -> None:
        """The engine process is another one; nobody has noticed yet."""
        await self.servers[number].stop()
        await self.servers[number].start()

    async def known_to(self, number: int) -> set[str]:
        """The versions that an engine has loaded."""
        names = {str(card["id"]) for card in await self.engines.clients[number].models()}
        return {name.rsplit("-", 1)[1] for name in names if name.startswith("empo-")}

    async def live_rows(self) -> list[str]:
        return [a.version for a in await self.registry.all() if a.state == "LIVE"]

    async def state(self, version: str) -> str:
        return (await self.registry.get(version)).state.value

    async def ask(self, version: str | None = None) -> str:
        """One request as a user's: the version by whose words it was answered. Raises EmpoError,
        as the server does where it answers 503."""
        with self.rollout.serving(version) as adapter:
            body = {
                "model": adapter.engine_name,
                "messages": [{"role": "user", "content": "x"}],
                "temperature": 0,
            }
            raw = json.dumps(body).encode()
            async with self.engines.post("chat", raw, adapter.engine_name) as response:
                answer = await response.json()
                assert response.status == 200, answer
        assert answer["model"] == adapter.engine_name
        if adapter.is_base:
            return adapter.version
        words = set(answer["choices"][0]["message"]["content"].split())
        assert len(words) == 1, words
        assert words == {ANSWER_WORDS[int(adapter.version[1:]) % len(ANSWER_WORDS)]}
        return adapter.version

    async def set_disk_full(self, is_full: bool) -> None:
        """From now on every write of the database fails, or no longer."""
        await self.database.run(
            lambda c: c.exec_driver_sql(f"PRAGMA query_only = {int(is_full)}") and None
        )


def answer_of(version: str) -> str:
    """The version's word, often enough that a mixed answer would show."""
    return " ".join([ANSWER_WORDS[int(version[1:]) % len(ANSWER_WORDS)]] * 4)


__all__ = ["KEEP_LOADED", "EmpoError", "FakeServer", "World", "answer_of"]
