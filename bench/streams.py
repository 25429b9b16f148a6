"""Streams through the gateway: their speed beside the engine called directly, and their memory.

First 64 streams at once, direct and through the gateway in turn, from a fake engine that gives
each stream 25 tokens a second, and from one that gives as fast as it can (the two share two cores
with the reader then: for information). Then 1,000 streams at once: all must arrive whole; the
gateway's memory is read while they run, and /health/ready is asked every 50 ms.

    python bench/streams.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

PATH = "/v1/chat/completions"
HEADERS = {"Content-Type": "application/json", "X-Empo-Learn": "no"}
MB = 1_000_000

Target = tuple[str, bytes]


@contextmanager
def gateway(folder: Path, *engine_args: str) -> Iterator[Served]:
    server = Served(
        folder / f"data{len(list(folder.iterdir()))}",
        "engine.kind=fake",
        "engine.max_num_seqs=1024",
        f"engine.args={json.dumps(engine_args)}",
        "semantics.equivalence=rules",
    )
    try:
        yield server.wait_ready()
    finally:
        server.stop()


def targets(server: Served, tokens: int) -> dict[str, Target]:
    engine = server.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
    name = server.get("/admin/v1/adapters", admin=True)[1]["adapters"][0]["engine_name"]
    body = {
        "messages": [{"role": "user", "content": "What is the word?"}],
        "stream": True,
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    return {
        "direct": (engine + PATH, json.dumps(body | {"model": name}).encode()),
        "gateway": (server.url + PATH, json.dumps(body).encode()),
    }


async def stream(session: aiohttp.ClientSession, target: Target) -> int:
    """Read one stream to its end; the number of its events, or 0 if it is not whole."""
    url, body = target
    events, end = 0, b""
    async with session.post(url, data=body, headers=HEADERS) as response:
        assert response.status == 200, await response.text()
        async for chunk in response.content.iter_any():
            events += chunk.count(b"\n\n")
            end = (end + chunk)[-32:]
    return events if end.endswith(b"data: [DONE]\n\n") else 0


def new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def speed(where: dict[str, Target], tokens: int, count: int, rounds: int) -> None:
    """Tokens per second of `count` streams at once, each target in turn."""
    speeds: dict[str, list[float]] = {name: [] for name in where}
    async with new_session() as session:
        for number in range(rounds + 1):
            for name, target in where.items():
                started = time.perf_counter()
                events = await asyncio.gather(*(stream(session, target) for _ in range(count)))
                seconds = time.perf_counter() - started
                assert min(events) >= tokens, min(events)
                if number > 0:  # the first is the warm-up
                    speeds[name].append(tokens * count / seconds)
    median = {name: statistics.median(s) for name, s in speeds.items()}
    for name, s in speeds.items():
        print(f"  {name:<8} {median[name]:8.0f} tokens/s   ({', '.join(f'{x:.0f}' for x in s)})")
    print(f"  gateway / direct: {100 * median['gateway'] / median['direct']:.1f} %")


async def many(server: Served, target: Target, tokens: int, count: int) -> None:
    """`count` streams at once through the gateway."""
    gateway_process = psutil.Process(server.process.pid)
    idle = peak = gateway_process.memory_info().rss
    health: list[float] = []
    async with new_session() as session:
        started = time.perf_counter()
        streams = [asyncio.create_task(stream(session, target)) for _ in range(count)]
        everything = asyncio.gather(*streams, return_exceptions=True)
        while not everything.done():
            asked = time.perf_counter()
            async with session.get(server.url + "/health/ready") as response:
                assert response.status == 200, response.status
            health.append(time.perf_counter() - asked)
            peak = max(peak, gateway_process.memory_info().rss)
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - started
    results = await everything
    whole = sum(isinstance(events, int) and events >= tokens for events in results)
    print(f"{count} streams of {tokens} tokens: {whole} whole, {seconds:.1f} s")
    for failure in {repr(r) for r in results if isinstance(r, BaseException)}:
        print(f"  {failure}")
    print(
        f"  gateway memory: idle {idle / MB:.0f} MB, peak {peak / MB:.0f} MB, "
        f"{(peak - idle) / count / 1000:.0f} KB a stream; target < {100 + count * 0.05:.0f} MB"
    )
    p99 = statistics.quantiles(health, n=100)[98]
    print(
        f"  /health/ready meanwhile: p50 {1000 * statistics.median(health):.1f} ms, "
        f"p99 {1000 * p99:.1f} ms, longest {1000 * max(health):.1f} ms ({len(health)} asked)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gateway(folder, "--tokens-per-s", "25") as server:
            print("64 streams, 25 tokens/s each:")
            asyncio.run(speed(targets(server, 100), 100, 64, options.rounds))
        with gateway(folder) as server:
            print("64 streams, as fast as the engine can:")
            asyncio.run(speed(targets(server, 100), 100, 64, options.rounds))
        with gateway(folder, "--tokens-per-s", "2") as server:
            asyncio.run(many(server, targets(server, 30)["gateway"], 30, 1000))


if __name__ == "__main__":
    main()
