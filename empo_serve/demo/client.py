"""Requests through the official OpenAI SDK, each one checked and counted."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import openai

from empo_serve.demo.traffic import Prompt

MAX_ERRORS_KEPT = 5

T = TypeVar("T")


class MixedAnswer(Exception):
    """An answer that does not come from exactly one version, or not under the public name."""


@dataclass(slots=True)
class Tally:
    """All requests so far. `mixed` ones are failed ones too."""

    total: int = 0
    failed: int = 0
    mixed: int = 0
    streamed: int = 0
    across_swaps: int = 0  # sent under one live version, finished under the next
    by_version: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cluster:
    answer: str
    count: int


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A greedy answer, and what the server says of its own samples of the same question.

    `clusters` are the samples grouped by meaning, `answer` standing for all `count` of them;
    `semantic_entropy_norm` is in 0..1; `confidence` is the server's, None for one sample.
    """

    greedy: str
    clusters: tuple[Cluster, ...]
    semantic_entropy_norm: float
    confidence: float | None


class Client:
    """`live` is what the watcher saw last; it only serves to count requests across a swap."""

    def __init__(self, base_url: str, max_tokens: int, num_samples: int) -> None:
        self.tally = Tally()
        self.live = "v0"
        self.model = ""
        self._max_tokens = max_tokens
        self._num_samples = num_samples
        self._openai = openai.AsyncOpenAI(
            base_url=f"{base_url}/v1",
            api_key="demo",  # the SDK insists on one
            max_retries=0,  # a retry would hide a failed request
            # Loopback: a proxy that the environment names has no business here.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        )

    async def open(self) -> None:
        """Ask for the public model name."""
        self.model = (await self._openai.models.list()).data[0].id

    async def close(self) -> None:
        await self._openai.close()

    async def ask(self, prompt: Prompt, *, stream: bool, learn: bool) -> None:
        """An ordinary request, as any application sends it. Its outcome is in the tally."""
        headers = {} if learn else {"X-Empo-Learn": "no"}
        body = self._body(prompt) | {"extra_headers": headers}
        await self._count(self._stream(body) if stream else self._complete(body))
        self.tally.streamed += stream

    async def measure(self, prompt: Prompt, version: str) -> Uncertain | None:
        """One greedy answer and `num_samples` samples of `version`; None if the request failed.

        The server samples with its own settings ([sampling] temperature and max_tokens).
        """
        headers = {"X-Empo-Version": version, "X-Empo-Learn": "no"}
        empo = {"samples": self._num_samples, "answer": "first"}
        body = self._body(prompt) | {
            "temperature": 0.0,
            "extra_headers": headers,
            "extra_body": {"empo": empo},
        }
        return await self._count(self._uncertain(body, version))

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt.text}],
            "max_tokens": self._max_tokens,
        }

    async def _complete(self, body: dict[str, Any]) -> None:
        raw = await self._openai.chat.completions.with_raw_response.create(**body)
        self._check_model(raw.parse().model)
        self._served_by(raw.headers)

    async def _stream(self, body: dict[str, Any]) -> None:
        raw = await self._openai.chat.completions.with_raw_response.create(stream=True, **body)
        ids, finished = set(), False
        async for chunk in raw.parse():
            self._check_model(chunk.model)
            ids.add(chunk.id)
            finished = finished or any(choice.finish_reason for choice in chunk.choices)
        if len(ids) != 1:
            raise MixedAnswer(f"the chunks of one stream carry {len(ids)} ids")
        if not finished:
            raise ConnectionError("a stream ended without a finish_reason")
        self._served_by(raw.headers)

    async def _uncertain(self, body: dict[str, Any], version: str) -> Uncertain:
        raw = await self._openai.chat.completions.with_raw_response.create(**body)
        completion = raw.parse()
        self._check_model(completion.model)
        empo = completion.model_extra["empo"]
        for served in (self._served_by(raw.headers), empo["version"]):
            if served != version:
                raise MixedAnswer(f"asked for {version}, answered by {served}")
        return Uncertain(
            greedy=completion.choices[0].message.content or "",
            clusters=tuple(Cluster(c["answer"], c["count"]) for c in empo["clusters"]),
            semantic_entropy_norm=empo["semantic_entropy_norm"],
            confidence=empo["confidence"],
        )

    def _served_by(self, headers: Mapping[str, str]) -> str:
        """The version that answered, which is counted."""
        version = headers.get("X-Empo-Version", "")
        if not (version.startswith("v") and version[1:].isdigit()):
            raise MixedAnswer(f"an answer names no single version: X-Empo-Version: {version!r}")
        self.tally.by_version[version] = self.tally.by_version.get(version, 0) + 1
        return version

    def _check_model(self, model: str) -> None:
        if model != self.model:
            raise MixedAnswer(f"an answer came under the model name {model!r}, not {self.model!r}")

    async def _count(self, request: Awaitable[T]) -> T | None:
        """Await `request` and put its outcome into the tally. A cancelled one is not counted."""
        live = self.live
        try:
            result = await request
        except Exception as e:
            # All kinds: the SDK lets the transport's own errors of a broken stream through, and
            # the report must count every one of them.
            self.tally.failed += 1
            self.tally.mixed += isinstance(e, MixedAnswer)
            if len(self.tally.errors) < MAX_ERRORS_KEPT:
                self.tally.errors.append(f"{type(e).__name__}: {e}")
            result = None
        self.tally.total += 1
        self.tally.across_swaps += self.live != live
        return result
