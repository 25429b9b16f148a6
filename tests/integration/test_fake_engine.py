"""The fake engine's knobs and its toy model; what it shares with vLLM is in the contract suite."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from adapter_files import write_adapter
from aiohttp.test_utils import TestClient, TestServer, unused_port

from empo_serve.engine.fake.server import FakeEngine, Knobs

CHAT = "/v1/chat/completions"
LOAD = "/v1/load_lora_adapter"

Client = TestClient[Any, Any]


@asynccontextmanager
async def running(**knobs: Any) -> AsyncIterator[Client]:
    async with TestClient(TestServer(FakeEngine(Knobs("base", **knobs)).app())) as client:
        yield client


def body(question: str = "Which word?", **fields: Any) -> dict[str, Any]:
    return {"model": "base", "messages": [{"role": "user", "content": question}], **fields}


async def ask(client: Client, question: str = "Which word?", **fields: Any) -> Any:
    async with client.post(CHAT, json=body(question, **fields)) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def words(client: Client, question: str, **fields: Any) -> list[str]:
    """The answers' words, whatever sentence they stand in."""
    choices = (await ask(client, question, **fields))["choices"]
    return [c["message"]["content"].removesuffix(".").split()[-1].lower() for c in choices]


async def load(client: Client, name: str, directory: Path) -> int:
    async with client.post(LOAD, json={"lora_name": name, "lora_path": str(directory)}) as response:
        return response.status


async def stats(client: Client) -> Any:
    async with client.get("/fake/stats") as response:
        return await response.json()


async def until(client: Client, is_there: Callable[[Any], bool]) -> Any:
    """Ask for the statistics until they are as wanted; the test's own timeout ends it else."""
    while True:
        seen = await stats(client)
        if is_there(seen):
            return seen
        await asyncio.sleep(0.005)


async def test_questions_differ_in_how_unanimous_their_answers_are() -> None:
    async with running() as client:
        sizes = Counter([len(set(await words(client, f"Question {i}?", n=8))) for i in range(60)])
    assert sizes[1] >= 5
    assert sum(sizes[k] for k in (2, 3, 4)) >= 15
    assert sum(count for k, count in sizes.items() if k >= 5) >= 5


async def test_greedy_gives_the_favourite_answer() -> None:
    num_favourites = 0
    async with running() as client:
        for i in range(12):
            question = f"Question {i}?"
            sampled = Counter(await words(client, question, n=200))
            favourite, count = sampled.most_common(1)[0]
            if count > 100:
                num_favourites += 1
                assert await words(client, question, temperature=0) == [favourite]
    assert num_favourites >= 5


async def test_logprobs_agree_with_how_often_tokens_come() -> None:
    async with running() as client:
        answer = await ask(
            client, "Question 3?", n=4000, max_tokens=1, logprobs=True, temperature=1.5
        )
    first = [choice["logprobs"]["content"][0] for choice in answer["choices"]]
    counts = Counter(token["token"] for token in first)
    for token in {token["token"]: token for token in first}.values():
        share = counts[token["token"]] / len(first)
        assert share == pytest.approx(2.718281828 ** token["logprob"], abs=0.03)


async def test_the_same_seed_gives_the_same_answers_in_another_process() -> None:
    answers = []
    for seed in (1, 1, 2):
        async with running(seed=seed) as client:
            answers.append([await words(client, f"Question {i}?", n=4) for i in range(8)])
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


async def test_weights_decide_what_an_adapter_says(tmp_path: Path) -> None:
    directories = {
        "zero": write_adapter(tmp_path / "zero", seed=None),
        "one": write_adapter(tmp_path / "one", seed=1),
        "copy": write_adapter(tmp_path / "copy", seed=1),
        "two": write_adapter(tmp_path / "two", seed=2),
    }
    said: dict[str, list[Any]] = {}
    async with running() as client:
        for name, directory in directories.items():
            assert await load(client, name, directory) == 200
        for name in ("base", *directories):
            fields = {"model": name, "temperature": 0, "logprobs": True, "top_logprobs": 5}
            answers = [await ask(client, f"Question {i}?", **fields) for i in range(20)]
            said[name] = [answer["choices"][0]["logprobs"] for answer in answers]
    assert said["zero"] == said["base"]
    assert said["one"] == said["copy"]
    assert said["one"] != said["two"]
    assert said["one"] != said["base"]


async def test_an_adapter_may_be_collapsed_slow_or_failing(tmp_path: Path) -> None:
    async with running() as client:
        for name, fake in (
            ("collapsed", {"answer": "same"}),
            ("failing", {"fail_rate": 1.0}),
            ("slow", {"slow_s": 0.2}),
        ):
            assert (
                await load(client, name, write_adapter(tmp_path / name, seed=1, fake=fake)) == 200
            )
        for question in ("Question 1?", "Question 2?"):
            assert await words(client, question, model="collapsed", n=4) == ["same"] * 4
        async with client.post(CHAT, json=body(model="failing")) as response:
            assert response.status == 500
            assert (await response.json())["error"]["type"] == "InternalServerError"
        loop = asyncio.get_running_loop()
        start = loop.time()
        await ask(client, model="slow")
        assert loop.time() - start >= 0.2


async def test_fail_rate_fails_that_share_of_the_requests() -> None:
    async with running(fail_rate=0.5) as client:
        statuses = Counter()
        for _ in range(200):
            async with client.post(CHAT, json=body()) as response:
                statuses[response.status] += 1
    assert set(statuses) == {200, 500}
    assert 60 <= statuses[500] <= 140


async def test_the_first_loads_fail(tmp_path: Path) -> None:
    directory = write_adapter(tmp_path / "adapter", seed=1)
    async with running(fail_load=2) as client:
        assert [await load(client, "a", directory) for _ in range(4)] == [500, 500, 200, 400]


async def test_what_reached_the_engine_can_be_seen(tmp_path: Path) -> None:
    async with running() as client:
        assert await load(client, "a", write_adapter(tmp_path / "a", seed=1)) == 200
        await ask(client, "Question 1?", model="a", priority=3)
        seen = await stats(client)
    assert seen["requests"] == 1
    assert seen["adapters"] == ["a"]
    (request,) = seen["bodies"]
    assert request["path"] == CHAT
    assert request["body"] == body("Question 1?", model="a", priority=3)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_is_counted_and_frees_its_slot(stream: bool) -> None:
    async with running(max_num_seqs=1, tokens_per_s=50, min_tokens=100_000) as client:
        task = asyncio.create_task(_read(client, body(stream=stream)))
        await until(client, lambda seen: seen["running"] == 1)
        task.cancel()
        seen = await until(client, lambda seen: seen["aborted"] == 1)
        assert (seen["running"], seen["waiting"]) == (0, 0)


async def _read(client: Client, request: dict[str, Any]) -> bytes:
    async with client.post(CHAT, json=request) as response:
        return await response.read()


async def test_waiting_requests_go_by_priority_then_by_arrival() -> None:
    done: list[str] = []

    async def request(name: str, priority: int) -> None:
        await ask(client, name, priority=priority)
        done.append(name)

    async with running(max_num_seqs=1, first_token_s=0.1) as client:
        tasks = []
        for name, priority in (("running", 9), ("low", 5), ("high", 0), ("low too", 5)):
            tasks.append(asyncio.create_task(request(name, priority)))
            count = len(tasks)
            await until(client, lambda seen, n=count: seen["running"] + seen["waiting"] == n)
        await asyncio.gather(*tasks)
    assert done == ["running", "high", "low", "low too"]


async def test_a_waiting_request_whose_client_left_is_passed_over() -> None:
    async with running(max_num_seqs=1, first_token_s=0.2) as client:
        first = asyncio.create_task(ask(client, "first"))
        await until(client, lambda seen: seen["running"] == 1)
        leaving = asyncio.create_task(ask(client, "leaving"))
        await until(client, lambda seen: seen["waiting"] == 1)
        last = asyncio.create_task(ask(client, "last"))
        await until(client, lambda seen: seen["waiting"] == 2)
        leaving.cancel()
        await asyncio.gather(first, last)
        seen = await stats(client)
    assert (seen["running"], seen["waiting"], seen["aborted"]) == (0, 0, 1)


async def test_the_samples_of_one_request_take_a_slot_each() -> None:
    async with running(max_num_seqs=3, first_token_s=0.2) as client:
        task = asyncio.create_task(ask(client, n=4))
        await until(client, lambda seen: (seen["running"], seen["waiting"]) == (3, 1))
        assert len((await task)["choices"]) == 4


async def test_requests_hang_after_so_many_while_health_is_good() -> None:
    async with running(hang_after=1) as client:
        await ask(client)
        hanging = asyncio.create_task(ask(client))
        await until(client, lambda seen: seen["requests"] == 2)
        async with client.get("/health") as response:
            assert response.status == 200
        assert not hanging.done()
        hanging.cancel()
        await until(client, lambda seen: seen["aborted"] == 1)


async def test_the_process_dies_after_so_many_requests() -> None:
    async with command("--die-after", "1") as (url, process):
        async with aiohttp.ClientSession(url) as session:
            async with session.post(CHAT, json=body()) as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientError):
                await session.post(CHAT, json=body())
        assert await process.wait() == 1


async def test_the_command_line_sets_the_speed() -> None:
    async with (
        command("--tokens-per-s", "100", "--min-tokens", "20") as (url, _),
        aiohttp.ClientSession(url) as session,
        session.post(CHAT, json=body(stream=True, max_tokens=20)) as response,
    ):
        loop = asyncio.get_running_loop()
        start = loop.time()
        events = (await response.read()).decode().split("\n\n")
        assert loop.time() - start >= 0.15
    assert len([e for e in events if e.startswith("data: {") and "content" in e]) == 21
    assert json.loads(events[-3].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"


def test_starting_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, empo_serve.engine.fake.__main__;"
        "sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The fake engine as its own process."""
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "empo_serve.engine.fake", "--model", "base"),
        *("--port", str(port), *arguments),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_healthy(url, process)
        yield url, process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_healthy(url: str, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession(url) as session:
        while True:
            assert process.returncode is None, "the engine did not start"
            try:
                async with session.get("/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)
