"""Open-loop traffic whose every answer is checked: whole, unmixed, of a version that was live.

Which version gave an answer is read from the answer itself: at temperature 0 each version gives
one fixed answer to each prompt, known beforehand.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

# prompt -> version -> the one answer that the version gives to it
Expected = dict[str, dict[str, str]]


@dataclass(slots=True)
class Record:
    """One request as the client saw it. Times are of time.perf_counter()."""

    prompt: str
    is_stream: bool
    sent: float
    first: float = 0.0  # the first piece of text, or the whole answer
    ended: float = 0.0
    longest_silence: float = 0.0  # from the sending on, between two events, seconds
    text: str = ""
    failure: str = ""

    @property
    def delay(self) -> float:
        """What a user would call a pause: the longest silence of a stream, or all of an answer."""
        return self.longest_silence if self.is_stream else self.ended - self.sent


class Client:
    """Sends chat requests and keeps exact account of what comes back."""

    def __init__(self, url: str, body: dict[str, Any]) -> None:
        self._url = url + "/v1/chat/completions"
        self._body = body
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=300)
        )

    async def close(self) -> None:
        await self._session.close()

    async def ask(
        self, prompt: str, *, stream: bool, version: str | None = None, **fields: Any
    ) -> Record:
        """One request, pinned to a version if one is given. Never raises for what goes wrong."""
        record = Record(prompt, stream, time.perf_counter())
        body = self._body | {"stream": stream, "temperature": 0} | fields
        body["messages"] = [*body.get("messages", []), {"role": "user", "content": prompt}]
        headers = {} if version is None else {"X-Empo-Version": version}
        try:
            async with self._session.post(self._url, json=body, headers=headers) as response:
                if response.status != 200:
                    record.failure = f"status {response.status}: {await response.text()}"
                elif stream:
                    await _read_stream(response, record)
                else:
                    choice = (await response.json())["choices"][0]
                    record.text = choice["message"]["content"]
                    record.first = time.perf_counter()
                    if not choice["finish_reason"]:
                        record.failure = "no finish_reason"
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError) as e:
            record.failure = f"{type(e).__name__}: {e}"
        record.ended = time.perf_counter()
        return record


async def _read_stream(response: aiohttp.ClientResponse, record: Record) -> None:
    last, buffer = record.sent, b""
    is_finished = is_done = False
    async for chunk in response.content.iter_any():
        now = time.perf_counter()
        record.longest_silence = max(record.longest_silence, now - last)
        last = now
        *events, buffer = (buffer + chunk).split(b"\n\n")
        for event in events:
            data = event.removeprefix(b"data: ")
            if is_done or not event.startswith(b"data: "):
                record.failure = f"unexpected: {event[:200]!r}"
            elif data == b"[DONE]":
                is_done = True
            elif "error" in (body := json.loads(data)):
                record.failure = f"error event: {body['error']}"
            else:
                for choice in body["choices"]:
                    record.text += choice["delta"].get("content") or ""
                    is_finished |= choice["finish_reason"] is not None
                if record.text and not record.first:
                    record.first = now
    if not record.failure and (buffer or not is_finished or not is_done):
        record.failure = "the stream was cut"


@dataclass(slots=True)
class Traffic:
    """Requests at random moments at a fixed mean rate, whether or not earlier ones have ended."""

    client: Client
    prompts: Sequence[str]
    rate: float  # requests per second
    stream_share: float = 0.5
    seed: int = 0
    records: list[Record] = field(default_factory=list)

    async def run(self, until: asyncio.Event) -> list[Record]:
        """Send until told to stop, then wait for what runs. The records of this phase."""
        rng = random.Random(self.seed)
        running: set[asyncio.Task[Record]] = set()
        done: list[Record] = []
        due = time.perf_counter()
        while not until.is_set():
            due += rng.expovariate(self.rate)
            try:
                await asyncio.wait_for(until.wait(), max(0.0, due - time.perf_counter()))
            except TimeoutError:
                stream = rng.random() < self.stream_share
                task = asyncio.create_task(self.client.ask(rng.choice(self.prompts), stream=stream))
                running.add(task)
                task.add_done_callback(lambda t: (running.discard(t), done.append(t.result())))
        await asyncio.gather(*running)
        await asyncio.sleep(0)
        self.records += done
        return done

    async def run_for(self, seconds: float) -> list[Record]:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        return await self.run(stop)


class LiveTimes:
    """When each version may have been live, from the switches that the operator made.

    A switch happens somewhere between the call and its answer, so the new version may be live
    from the call on, and the old one until the answer.
    """

    def __init__(self, version: str) -> None:
        self._spans: list[tuple[str, float, float]] = []
        self._version, self._since = version, 0.0

    @property
    def live(self) -> str:
        return self._version

    def switched(self, version: str, called: float, answered: float) -> None:
        if version != self._version:
            self._spans.append((self._version, self._since, answered))
            self._version, self._since = version, called

    def may_have_been_live(self, version: str, start: float, end: float) -> bool:
        spans = [*self._spans, (self._version, self._since, float("inf"))]
        return any(v == version and s <= end and start <= e for v, s, e in spans)


@dataclass(slots=True)
class Verdict:
    total: int = 0
    failed: list[Record] = field(default_factory=list)
    mixed: list[Record] = field(default_factory=list)
    wrong: list[Record] = field(default_factory=list)
    across: int = 0  # requests that ran while a switch was made

    @property
    def is_clean(self) -> bool:
        return not (self.failed or self.mixed or self.wrong)


def judge(records: Sequence[Record], expected: Expected, live: LiveTimes) -> Verdict:
    """What was wrong with the answers, by the answers themselves."""
    verdict = Verdict(len(records))
    for record in records:
        answers = expected[record.prompt]
        if record.failure:
            verdict.failed.append(record)
            continue
        given_by = [version for version, answer in answers.items() if answer == record.text]
        if not given_by:
            verdict.mixed.append(record)
        elif not live.may_have_been_live(given_by[0], record.sent, record.first):
            verdict.wrong.append(record)
        overlapping = [v for v in answers if live.may_have_been_live(v, record.sent, record.ended)]
        verdict.across += len(overlapping) > 1
    return verdict


def paused(records: Sequence[Record], baseline: Sequence[Record]) -> int:
    """Requests that were delayed more than twice the median of their kind in quiet times."""
    count = 0
    for kind in (True, False):
        quiet = [r.delay for r in baseline if r.is_stream is kind and not r.failure]
        limit = 2 * statistics.median(quiet) if quiet else float("inf")
        count += sum(r.delay > limit for r in records if r.is_stream is kind and not r.failure)
    return count
