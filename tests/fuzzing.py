"""Sends wrong requests to a served gateway and looks at what it answers and what it leaves."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp
import psutil
from mutations import Wrong
from serving import Served
from yarl import URL


@dataclass(slots=True)
class Outcome:
    """How many answers had which status ("left": the client hung up), and each wrong answer."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


async def send(url: str, requests: Iterable[Wrong], concurrency: int = 8) -> Outcome:
    """Send every request, a few at a time."""
    outcome, started = Outcome(), time.perf_counter()
    waiting = iter(requests)

    async def work(session: aiohttp.ClientSession) -> None:
        for request in waiting:
            await _send_one(session, url, request, outcome)

    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    outcome.seconds = time.perf_counter() - started
    return outcome


async def _send_one(
    session: aiohttp.ClientSession, url: str, request: Wrong, outcome: Outcome
) -> None:
    try:
        async with asyncio.timeout(request.leaves_after_s):
            async with session.post(
                URL(url + request.path), data=request.body, headers=request.headers
            ) as response:
                raw = await response.read()
    except TimeoutError:
        outcome.statuses["left" if request.leaves_after_s is not None else "hung"] += 1
        if request.leaves_after_s is None:
            outcome.faults.append(f"no answer within a minute: {_shown(request)}")
        return
    except aiohttp.ClientError as e:
        outcome.statuses["broken"] += 1
        outcome.faults.append(f"{e!r}: {_shown(request)}")
        return
    outcome.statuses[str(response.status)] += 1
    fault = fault_of(response.status, response.content_type, raw)
    if fault is not None:
        outcome.faults.append(f"{fault}: {_shown(request)} got {response.status} {raw[:300]!r}")


def fault_of(status: int, content_type: str, raw: bytes) -> str | None:
    """What is wrong with an answer to a wrong request; None for a proper one."""
    if status >= 500:
        return "a server error"
    if content_type == "text/event-stream":
        return None if raw.endswith(b"data: [DONE]\n\n") else "a stream without its end"
    try:
        body = json.loads(raw)
    except ValueError:
        return "not JSON"
    if status == 200:
        return None if "choices" in body else "an answer without choices"
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or error.keys() != {"message", "type", "param", "code"}:
        return "no error object"
    if error["code"] != status or not isinstance(error["message"], str) or not error["message"]:
        return "a wrong error object"
    return None


def _shown(request: Wrong) -> str:
    return f"POST {request.path} {request.headers} {request.body[:300]!r}"


def rest_of(served: Served) -> dict[str, float]:
    """What is still in progress: each is 0 once all requests are over."""
    status = served.get("/admin/v1/status", admin=True)[1]
    rest = {
        "clients": open_connections(served),
        "user requests": served.metric("empo_requests_inflight"),
        "background queue": served.metric("empo_background_queue"),
        "background requests": served.metric("empo_background_inflight"),
        "requests of versions": sum(status["loaded"].values()),
    }
    if status["engine"]["kind"] == "fake":
        stats = _engine_stats(status["engine"]["urls"][0])
        rest |= {"engine running": stats["running"], "engine waiting": stats["waiting"]}
    return rest


def _engine_stats(engine_url: str) -> dict[str, int]:
    with urllib.request.urlopen(engine_url + "/fake/stats", timeout=10) as response:
        stats: dict[str, int] = json.loads(response.read())
    return stats


def is_quiet(served: Served) -> bool:
    return not any(rest_of(served).values())


def rss_mb(served: Served) -> float:
    return psutil.Process(served.process.pid).memory_info().rss / 2**20


def open_connections(served: Served) -> int:
    """Clients that are still connected to the public port: a request that is stuck holds one."""
    connections = psutil.Process(served.process.pid).net_connections("tcp")
    return sum(c.laddr.port == served.port and c.status != psutil.CONN_LISTEN for c in connections)
