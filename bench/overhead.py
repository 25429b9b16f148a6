"""What the gateway adds to a non-streaming request, beside a bare proxy and LiteLLM's.

Everything stands before the same fake engine, in one run: request by request in turn at
concurrency 1, block by block at 8 (closed loop), so that whatever else the machine does hits all
alike. "Added" is the median less the median of the engine called directly; the CPU time is that of
the process that was asked ("direct": the engine). LiteLLM is measured when `bench/litellm.sh` has
installed it. Also: how soon the gateway answers after its start, its memory, and `--help`.

    python bench/overhead.py [--requests 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served, free_port

HERE = Path(__file__).parent
PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "What is the word?"}]}
HEADERS = {"Content-Type": "application/json", "X-Empo-Learn": "no"}
BLOCK = 200
WARM_UP = 200


class Target(NamedTuple):
    url: str
    body: bytes
    pid: int

    def cpu_s(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


async def one(session: aiohttp.ClientSession, target: Target) -> float:
    """Seconds of one request."""
    started = time.perf_counter()
    async with session.post(target.url, data=target.body, headers=HEADERS) as response:
        await response.read()
        assert response.status == 200, response.status
    return time.perf_counter() - started


async def block(session: aiohttp.ClientSession, target: Target, count: int, c: int) -> list[float]:
    """`count` requests, of which `c` are always running."""

    async def client() -> list[float]:
        return [await one(session, target) for _ in range(count // c)]

    return [s for part in await asyncio.gather(*(client() for _ in range(c))) for s in part]


async def measure(targets: dict[str, Target], requests: int, concurrency: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in targets}
    cpu_s = dict.fromkeys(targets, 0.0)
    size = 1 if concurrency == 1 else BLOCK
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for target in targets.values():
            await block(session, target, WARM_UP, concurrency)
        while len(seconds["direct"]) < requests:
            # In another order each time, so that none always follows the busiest.
            for name in random.sample(list(targets), len(targets)):
                before = targets[name].cpu_s()
                seconds[name] += await block(session, targets[name], size, concurrency)
                cpu_s[name] += targets[name].cpu_s() - before
    show(seconds, cpu_s, concurrency)


def show(seconds: dict[str, list[float]], cpu_s: dict[str, float], concurrency: int) -> None:
    p50 = {name: 1000 * statistics.median(s) for name, s in seconds.items()}
    added = {name: p50[name] - p50["direct"] for name in p50}
    for name, times in seconds.items():
        p99 = 1000 * statistics.quantiles(times, n=100)[98]
        line = f"c={concurrency} {name:<10} p50 {p50[name]:6.2f} ms  p99 {p99:6.2f} ms"
        if name != "direct":
            line += f"  added p50 {added[name]:6.2f} ms"
        line += f"  its CPU {1000 * cpu_s[name] / len(times):5.2f} ms a request"
        print(line)
    for name in added.keys() - {"direct", "gateway"}:
        ratio = added["gateway"] / added[name]
        print(f"c={concurrency} gateway adds {ratio:.2f} x what {name} adds")


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


@contextmanager
def process(command: list[str], url: str, log: Path) -> Iterator[int]:
    """A proxy that runs until the end of the block, as its pid; it is up when any route answers."""
    env = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with open(log, "w") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(url, timeout=5)
                break
            except urllib.error.HTTPError:
                break  # an answer, if only a 404
            except (urllib.error.URLError, ConnectionError):
                assert child.poll() is None, log.read_text()[-1000:]
                assert time.monotonic() < deadline, log.read_text()[-1000:]
                time.sleep(0.1)
        yield child.pid
    finally:
        child.terminate()
        child.wait()


def litellm_config(folder: Path, engine: str, engine_name: str) -> Path:
    """One model that is the engine's, and nothing else turned on."""
    params = {"model": f"openai/{engine_name}", "api_base": f"{engine}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "word", "litellm_params": params}],
        "litellm_settings": {"telemetry": False},
        # As the others here: no keys are checked.
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = start_and_help(folder)
        stack.callback(server.stop)
        status = server.get("/admin/v1/status", admin=True)[1]["engine"]
        engine = status["urls"][0]
        adapters = server.get("/admin/v1/adapters", admin=True)[1]["adapters"]
        engine_name = adapters[0]["engine_name"]
        to_engine = json.dumps(BODY | {"model": engine_name}).encode()

        port = free_port()
        proxy = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(HERE / "bare_proxy.py"), str(port), engine]
        pid = stack.enter_context(process(command, proxy, folder / "bare.log"))
        targets = {
            "direct": Target(engine + PATH, to_engine, status["pid"]),
            "bare proxy": Target(proxy + PATH, to_engine, pid),
            "gateway": Target(server.url + PATH, json.dumps(BODY).encode(), server.process.pid),
        }
        litellm = HERE / ".litellm-venv" / "bin" / "litellm"
        if litellm.exists():
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            config = litellm_config(folder, engine, engine_name)
            command = [str(litellm), "--config", str(config), "--port", str(port)]
            command += ["--host", "127.0.0.1"]
            alive = f"{url}/health/liveliness"
            pid = stack.enter_context(process(command, alive, folder / "litellm.log"))
            body = json.dumps(BODY | {"model": "word"}).encode()
            targets["LiteLLM"] = Target(url + PATH, body, pid)
        else:
            print("LiteLLM is not measured: bench/litellm.sh installs it")
        for concurrency in (1, 8):
            asyncio.run(measure(targets, options.requests, concurrency))
        memory = psutil.Process(server.process.pid).memory_info().rss
        print(f"gateway memory after {2 * options.requests} requests: {memory / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
