"""What the gateway adds to a non-streaming request, against the engine called directly.

Both on the fake engine, in one run, interleaved request by request (concurrency 1) or block by
block (8), so that whatever else the machine does hits both alike. Also: how soon the gateway
answers after its start, its memory, and `--help`.

    python bench/overhead.py [--requests 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

BODY = json.dumps({"messages": [{"role": "user", "content": "What is the word?"}]}).encode()
HEADERS = {"Content-Type": "application/json", "X-Empo-Learn": "no"}


async def one(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    started = time.perf_counter()
    async with session.post(url, data=body, headers=HEADERS) as response:
        await response.read()
        assert response.status == 200, response.status
    return time.perf_counter() - started


async def measure(targets: dict[str, tuple[str, bytes]], requests: int, concurrency: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in targets}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for url, body in targets.values():
            for _ in range(50):
                await one(session, url, body)
        while len(seconds["direct"]) < requests:
            for name, (url, body) in targets.items():
                batch = [one(session, url, body) for _ in range(concurrency)]
                seconds[name] += await asyncio.gather(*batch)
    p50 = {name: 1000 * statistics.median(s) for name, s in seconds.items()}
    p99 = {name: 1000 * statistics.quantiles(s, n=100)[98] for name, s in seconds.items()}
    added = p50["gateway"] - p50["direct"]
    print(
        f"c={concurrency}: direct p50 {p50['direct']:.2f} ms p99 {p99['direct']:.2f} | "
        f"gateway p50 {p50['gateway']:.2f} ms p99 {p99['gateway']:.2f} | added p50 {added:.2f} ms"
    )


def until_alive(server: Served) -> None:
    while server.get("/health/live")[0] != 200:
        assert server.process.poll() is None, server.log.read_text()


def start_and_help(folder: Path) -> Served:
    """Time to the first answer of the gateway, three times; the last one stays."""
    times = []
    for number in range(3):
        started = time.perf_counter()
        server = Served(folder / f"data{number}", "engine.kind=fake", "semantics.equivalence=rules")
        until_alive(server)
        times.append(time.perf_counter() - started)
        if number < 2:
            server.stop()
    print("gateway up: " + ", ".join(f"{t:.2f} s" for t in times))
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "empo_serve", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - started)
    print(f"empo-serve --help: median {statistics.median(times):.3f} s")
    return server.wait_ready()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = start_and_help(Path(folder))
        try:
            engine = server.get("/admin/v1/status", admin=True)[1]["engine"]["urls"][0]
            name = server.get("/admin/v1/adapters", admin=True)[1]["adapters"][0]["engine_name"]
            path = "/v1/chat/completions"
            targets = {
                "direct": (
                    engine + path,
                    json.dumps(json.loads(BODY) | {"model": name}).encode(),
                ),
                "gateway": (server.url + path, BODY),
            }
            for concurrency in (1, 8):
                asyncio.run(measure(targets, options.requests, concurrency))
            memory = psutil.Process(server.process.pid).memory_info().rss
            print(f"gateway memory after {2 * options.requests} requests: {memory / 2**20:.0f} MiB")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
