"""Random sequences of everything that can happen to the rollout, alone and at the same time."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rollout_world import KEEP_LOADED, World
from sqlalchemy.exc import DatabaseError

from empo_serve.errors import AdapterError, EngineError, EngineUnavailable

ENGINES = st.integers(0, 1)
NUMBERS = st.integers(0, 8)
CHANGES = st.tuples(
    st.sampled_from(["promote", "pin", "roll_back", "unpin", "candidate", "start_canary"]), NUMBERS
)


class RolloutMachine(RuleBasedStateMachine):
    """Two engines. `forgotten` are those that were restarted while nobody looked, and `gone`
    those that are down."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.directory = Path(tempfile.mkdtemp())
        self.world = World(self.directory)
        self.requests: list[tuple[str, ExitStack]] = []
        self.forgotten: set[int] = set()
        self.gone: set[int] = set()
        self.run(self.world.start())
        for _ in range(4):
            self.run(self.world.publish())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(coroutine)

    def teardown(self) -> None:
        try:
            self.run(self._heal_and_check())
        finally:
            for _, request in self.requests:
                self.run(_close(request))
            self.run(self.world.stop())
            self.loop.close()
            shutil.rmtree(self.directory)

    # What happens.

    @rule(fail_loads=st.sampled_from([0, 0, 1]))
    def publish(self, fail_loads: int) -> None:
        self.run(self.world.publish(fail_loads=fail_loads))

    @rule(change=CHANGES)
    def change(self, change: tuple[str, int]) -> None:
        self.run(self._change(*change))

    @rule(changes=st.lists(CHANGES, min_size=2, max_size=4))
    def change_at_the_same_time(self, changes: list[tuple[str, int]]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self._change(*change) for change in changes))

        self.run(all_at_once())

    @rule(change=CHANGES)
    def change_while_the_disk_is_full(self, change: tuple[str, int]) -> None:
        async def on_a_full_disk() -> None:
            before = self.world.rollout.live.version
            await self.world.set_disk_full(True)
            await self._change(*change)
            await self.world.set_disk_full(False)
            assert self.world.rollout.live.version == before

        self.run(on_a_full_disk())

    @rule(change=CHANGES, engine=ENGINES)
    def restart_an_engine_during_a_change(self, change: tuple[str, int], engine: int) -> None:
        async def both() -> None:
            await asyncio.gather(self._change(*change), self.world.restart(engine))

        self.forgotten.add(engine)
        self.gone.discard(engine)
        self.run(both())

    @rule(engine=ENGINES)
    def restart_an_engine_unseen(self, engine: int) -> None:
        self.forgotten.add(engine)
        self.gone.discard(engine)
        self.run(self.world.restart(engine))

    @rule(engine=ENGINES)
    def stop_an_engine(self, engine: int) -> None:
        self.gone.add(engine)
        self.run(self.world.servers[engine].stop())

    @rule(engine=ENGINES)
    def look_after_an_engine(self, engine: int) -> None:
        self.run(self._look_after(engine))

    @rule(number=st.one_of(st.none(), NUMBERS))
    def start_a_request(self, number: int | None) -> None:
        async def start() -> None:
            request = ExitStack()
            try:
                version = None if number is None else await self._version(number)
                adapter = request.enter_context(self.world.rollout.serving(version))
            except AdapterError:
                return
            self.requests.append((adapter.version, request))

        self.run(start())

    @precondition(lambda self: self.requests)
    @rule(number=NUMBERS)
    def end_a_request(self, number: int) -> None:
        _, request = self.requests.pop(number % len(self.requests))
        self.run(_close(request))

    @rule()
    def ask(self) -> None:
        async def ask() -> None:
            try:
                assert await self.world.ask() == self.world.rollout.live.version
            except EngineUnavailable:
                assert self.forgotten or self.gone

        self.run(ask())

    # What always holds.

    @invariant()
    def exactly_one_version_is_live(self) -> None:
        assert self.run(self.world.live_rows()) == [self.world.rollout.live.version]

    @invariant()
    def a_canary_is_loaded_and_a_child_of_the_live_version(self) -> None:
        rollout = self.world.rollout
        canary = rollout.canary
        rows = [a.version for a in self.run(self.world.registry.all()) if a.state == "CANARY"]
        assert rows == ([] if canary is None else [canary.version])
        if canary is not None:
            assert canary.parent == rollout.live.version
            assert canary.version in rollout.loaded
            assert rollout.pinned is None

    @invariant()
    def a_pinned_version_is_the_live_one(self) -> None:
        assert self.world.rollout.pinned in (None, self.world.rollout.live.version)

    @invariant()
    def what_runs_is_loaded_on_every_engine_that_may_serve(self) -> None:
        needed = {version for version, _ in self.requests} | {self.world.rollout.live.version}
        assert needed <= self.world.rollout.loaded.keys()
        for number in {0, 1} - self.forgotten - self.gone:
            if self.world.engines.clients[number].can_serve:
                known = self.run(self.world.known_to(number))
                assert self.world.rollout.loaded.keys() <= known

    @invariant()
    def former_versions_do_not_pile_up(self) -> None:
        async def settle() -> None:
            await self.world.rollout.settle()
            states = {v: await self.world.state(v) for v in self.world.rollout.loaded}
            running = {version for version, _ in self.requests}
            busy = ("CANDIDATE", "CANARY")
            idle = {v for v, s in states.items() if v not in running and s not in busy}
            assert len(idle - {self.world.rollout.live.version}) <= KEEP_LOADED

        self.run(settle())

    # How.

    async def _version(self, number: int) -> str:
        versions = [adapter.version for adapter in await self.world.registry.all()]
        return versions[number % len(versions)]

    async def _change(self, what: str, number: int) -> None:
        rollout, registry = self.world.rollout, self.world.registry
        try:
            if what == "roll_back":
                live, canary = rollout.live, rollout.canary
                if canary is not None and number % 2:
                    answers = await rollout.roll_back(canary.version)
                    assert answers.version != canary.version
                    return
                former = await rollout.roll_back(live.version)
                assert former.state in ("LIVE", "RETIRED", "ROLLED_BACK")
                assert int(former.version[1:]) < int(live.version[1:])
            elif what == "unpin":
                await rollout.unpin()
            elif what == "candidate":
                adapter = await registry.get(await self._version(number))
                if adapter.state == "CANDIDATE":
                    await rollout.add_candidate(adapter)
                    await rollout.drop_candidate(adapter)
            else:
                await getattr(rollout, what)(await self._version(number))
        except (AdapterError, EngineError, DatabaseError):
            pass  # refused; the invariants say that nothing is half done

    async def _look_after(self, engine: int) -> None:
        """What the watch and the keeper of adapters do, one after the other."""
        client = self.world.engines.clients[engine]
        if engine in self.gone:
            client.is_up = False
            return
        try:
            if client.is_up:
                await self.world.rollout.reconcile(client)
            else:
                await self.world.bring_up(client)
        except EngineError:
            client.is_up = False  # one of its loads was made to fail
        else:
            self.forgotten.discard(engine)

    async def _heal_and_check(self) -> None:
        """When all is quiet again, every engine knows exactly what it should."""
        for number in (0, 1):
            if number in self.gone:
                self.world.engines.clients[number].is_up = False
                await self.world.servers[number].start()
                self.gone.discard(number)
            for _ in range(10):  # more often than loads are made to fail
                await self._look_after(number)
            await self.world.rollout.settle()
            assert await self.world.known_to(number) == set(self.world.rollout.loaded)
        assert await self.world.ask() == self.world.rollout.live.version


async def _close(request: ExitStack) -> None:
    request.close()  # in the loop: the end of a request may start an unload


def test_the_rollout_stays_consistent_whatever_happens() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        RolloutMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
