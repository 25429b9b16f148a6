"""What background sampling costs users: their latency with sampling off and on, at three loads.

One server with the real engine. First its capacity is measured: answers per second while as many
users as the engine has sequences ask without a pause. Then open-loop traffic (Poisson arrivals) at
30 %, 70 % and 95 % of it, in blocks that alternate between sampling paused and sampling on; both
blocks of a pair get the same arrivals and the same questions. Reported per load: p50 and p99 of
the whole answer and of the first token, their ratios with bootstrap intervals over blocks' users,
and how many groups were sampled meanwhile.

    python bench/background.py [--model DIR] [--when idle|capacity] [--block-s 40] [--pairs 3]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

LOADS = (0.3, 0.7, 0.95)
TOKENS = 24
MAX_NUM_SEQS = 16
SUBJECTS = ("a river", "a bridge", "the moon", "a clock", "bread", "a sailor", "glass", "winter")


@dataclass
class Block:
    """The users of one block of traffic, in order of arrival. Times in seconds."""

    totals: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)


async def ask(session: aiohttp.ClientSession, url: str, text: str, block: Block) -> None:
    """One streamed question of a fixed length; anything but a whole answer is an error."""
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": TOKENS,
        "min_tokens": TOKENS,
        "stream": True,
    }
    started = time.perf_counter()
    first = None
    async with session.post(url + "/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        tail = b""
        async for chunk in response.content.iter_any():
            if first is None:
                first = time.perf_counter() - started
            tail = (tail + chunk)[-64:]
    assert first is not None
    assert tail.endswith(b"data: [DONE]\n\n"), tail
    block.totals.append(time.perf_counter() - started)
    block.first_tokens.append(first)


def question(rng: random.Random) -> str:
    return f"Question {rng.randrange(10**6)}: tell me something about {rng.choice(SUBJECTS)}."


async def closed_loop(url: str, seconds: float) -> float:
    """Answers per second while the engine is full."""
    rng, block = random.Random(1), Block()
    deadline = time.perf_counter() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def user() -> None:
            while time.perf_counter() < deadline:
                await ask(session, url, question(rng), block)

        started = time.perf_counter()
        await asyncio.gather(*(user() for _ in range(MAX_NUM_SEQS)))
    return len(block.totals) / (time.perf_counter() - started)


async def open_loop(url: str, rate: float, seconds: float, seed: int) -> Block:
    rng, block = random.Random(seed), Block()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as users,
    ):
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            users.create_task(ask(session, url, question(rng), block))
            await asyncio.sleep(rng.expovariate(rate))
    return block


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def ratio(
    measure: Callable[[list[float]], float], off: list[float], on: list[float]
) -> tuple[float, float, float]:
    """measure(on) / measure(off), with a 95 % bootstrap interval over users."""
    rng = random.Random(0)
    values = sorted(
        measure(rng.choices(on, k=len(on))) / measure(rng.choices(off, k=len(off)))
        for _ in range(1000)
    )
    return measure(on) / measure(off), values[25], values[975]


def switch(server: Served, on: bool) -> None:
    """Begin a block: sampling on, or off with nothing of it left in the engine."""
    action = "resume" if on else "pause"
    assert server.post(f"/admin/v1/learning/{action}", admin=True)[0] == 200
    if not on:
        server.until(lambda: server.metric("empo_background_inflight") == 0, 120)


def measure(server: Served, load: float, rate: float, block_s: float, pairs: int) -> None:
    off, on = Block(), Block()
    groups = 0.0
    for pair in range(pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        for is_on in order:
            switch(server, is_on)
            before = server.metric("empo_background_tokens_total")
            block = asyncio.run(open_loop(server.url, rate, block_s, seed=pair))
            if is_on:
                groups += server.metric("empo_background_tokens_total") - before
            target = on if is_on else off
            target.totals += block.totals
            target.first_tokens += block.first_tokens
    print(f"load {load:.0%} ({rate:.2f} answers/s), {len(off.totals)} + {len(on.totals)} users")
    for name, a, b in (
        ("whole answer", off.totals, on.totals),
        ("first token", off.first_tokens, on.first_tokens),
    ):
        for label, function in (("p50", statistics.median), ("p99", p99)):
            value, low, high = ratio(function, a, b)
            print(
                f"  {name:12} {label}: off {function(a):.3f} s, on {function(b):.3f} s, "
                f"ratio {value:.3f} [{low:.3f}, {high:.3f}]"
            )
    print(f"  background tokens meanwhile: {groups:.0f} in {pairs * block_s:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--when", default="auto", choices=("auto", "idle", "capacity"))
    parser.add_argument("--block-s", type=float, default=40)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Served(
            Path(folder) / "data",
            *(f"model.path={options.model}", "engine.max_model_len=512", "train.enabled=false"),
            *(f"engine.max_num_seqs={MAX_NUM_SEQS}", f"sampling.when={options.when}"),
            *("sampling.max_tokens=24", "semantics.equivalence=rules"),
        )
        try:
            server.wait_ready(600)
            switch(server, on=False)
            asyncio.run(closed_loop(server.url, 5))  # the first requests to vLLM take longer
            capacity = asyncio.run(closed_loop(server.url, 30))
            print(f"capacity {capacity:.2f} answers of {TOKENS} tokens per second", flush=True)
            for load in options.loads:
                measure(server, load, load * capacity, options.block_s, options.pairs)
            print(f"cut off for users: {server.metric('empo_background_preempted_total'):.0f}")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
