"""Version v0 as the engine's base model: no adapter is loaded for it, all else is as ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import World
from serving import Served

from empo_serve.adapters.registry import Registry
from empo_serve.config import EngineSection
from empo_serve.engine import managed
from empo_serve.errors import EngineError, StartupError


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, base_name="fake")
    await world.start()
    yield world
    await world.stop()


async def test_it_is_served_under_the_base_name_and_no_engine_loads_it(world: World) -> None:
    v0 = await world.registry.get("v0")
    assert (v0.engine_name, v0.is_base) == ("fake", True)
    assert await world.ask() == "v0"
    assert [await world.known_to(n) for n in (0, 1)] == [set(), set()]


async def test_a_swap_leaves_it_answering_those_who_pin_it_and_a_rollback_returns_to_it(
    world: World,
) -> None:
    version = await world.publish()
    await world.rollout.promote(version)
    assert await world.ask() == version
    assert await world.ask("v0") == "v0"
    assert await world.known_to(0) == {version}
    await world.rollout.roll_back(version)
    assert world.rollout.live.engine_name == "fake"
    assert await world.ask() == "v0"


async def test_giving_it_up_and_reconciling_never_unload_the_base_model(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    last = "v0"
    for _ in range(4):
        last = await world.publish()
        await world.rollout.promote(last)
    await world.rollout.settle()
    assert "v0" not in world.rollout.loaded
    await world.engines.clients[0].load_adapter("empo-stray-v9", str(world.registry.path(last)))
    await world.rollout.reconcile(world.engines.clients[0])
    assert "fake" in {card["id"] for card in await world.engines.clients[0].models()}
    assert "v0 is unloaded" not in caplog.text
    assert "had fake still loaded" not in caplog.text
    await world.rollout.promote("v0")
    assert await world.ask() == "v0"


async def test_an_engine_that_was_restarted_needs_nothing_for_it(world: World) -> None:
    await world.restart(0)
    await world.rollout.reconcile(world.engines.clients[0])
    assert world.engines.clients[0].can_serve
    assert await world.ask() == "v0"


async def test_it_can_be_an_adapter_again_after_a_change_of_configuration(world: World) -> None:
    version = await world.publish()
    adapter = await Registry(world.database, world.directory / "adapters").get("v0")
    assert adapter.engine_name.startswith("empo-")
    assert not adapter.is_base
    assert (await world.registry.get(version)).engine_name.startswith("empo-")


async def test_an_engine_that_serves_another_base_model_is_refused_in_one_line(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, num_engines=1, base_name="llama")
    with pytest.raises(EngineError, match=r"serves no model 'llama': set model\.name"):
        await world.start()
    await world.stop()


def test_the_server_answers_its_first_version_as_the_base_model(tmp_path: Path) -> None:
    served = Served(
        tmp_path / "data",
        *(
            "engine.kind=fake",
            "engine.v0=base",
            "train.enabled=false",
            "semantics.equivalence=rules",
        ),
    ).wait_ready()
    try:
        status, answer = served.chat("x", headers={"X-Empo-Version": "v0"})
        assert (status, answer["model"]) == (200, "fake")
        (adapter,) = served.get("/admin/v1/adapters", admin=True)[1]["adapters"]
        assert (adapter["version"], adapter["engine_name"]) == ("v0", "fake")
        assert adapter["loaded"]
        assert (tmp_path / "data" / "adapters" / "v0" / "adapter_model.safetensors").is_file()
    finally:
        served.stop()


def section(**settings: str) -> EngineSection:
    return EngineSection.model_validate(settings)


def test_auto_means_the_base_model_only_where_the_kernels_are_ours_to_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not managed.serves_v0_as_base(section(kind="fake"))
    attached = EngineSection(kind="attached", urls=("http://127.0.0.1:1",))
    assert not managed.serves_v0_as_base(attached)
    monkeypatch.setattr(managed, "has_gpu", lambda: True)
    assert managed.serves_v0_as_base(section())
    assert not managed.serves_v0_as_base(section(v0="zero"))
    monkeypatch.setattr(managed, "has_gpu", lambda: False)
    assert not managed.serves_v0_as_base(section(lora_kernels="stock"))


def test_on_cpu_the_base_model_needs_kernels_that_honour_a_request_without_adapter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(managed, "has_gpu", lambda: False)
    with pytest.raises(StartupError, match=r'needs engine\.lora_kernels = "grouped"'):
        managed.serves_v0_as_base(section(v0="base", lora_kernels="stock"))
    monkeypatch.setenv("VLLM_PLUGINS", "another")  # the engine would not load ours
    with pytest.raises(StartupError, match=r'needs engine\.lora_kernels = "grouped"'):
        managed.serves_v0_as_base(section(v0="base"))
    assert not managed.serves_v0_as_base(section())
