"""The JSON bodies of the public API, and of errors and health on both, as OpenAPI shows them.

Bodies that are ours are exact. Those of chats and completions belong to the engine, which checks
them: here are only the fields that clients commonly send and read, and any other is let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_SAMPLES = 16


class Ours(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


class _Engines(BaseModel):
    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True, defer_build=True)


# Requests.


class EmpoField(Ours):
    """Ask how sure the answer is; its `empo` object says it. Not with `stream`."""

    samples: int = Field(default=8, strict=True, ge=1, le=MAX_SAMPLES)
    """How many samples to draw beside the answer."""
    answer: Literal["first", "consensus"] = "first"
    """"consensus" answers with the likeliest sample of the largest cluster; `n` must be 1."""


class StreamOptions(_Engines):
    include_usage: bool | None = None
    """Send one more event with the token counts before [DONE]."""


class _Generation(_Engines):
    """What chats and completions have in common; the engine checks it."""

    model: str | None = None
    """The public model name, which is the only one."""
    n: int | None = Field(default=None, ge=1)
    """How many answers; at most `limits.max_n`."""
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    stop: str | list[str] | None = None
    user: str | None = None
    stream: bool | None = None
    """Answer with server-sent events, one a token."""
    stream_options: StreamOptions | None = None
    """Only with `stream`."""
    response_format: dict[str, Any] | None = None
    empo: EmpoField | None = None


class Message(_Engines):
    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(_Generation):
    """A chat. Fields that are not listed go to the engine, but for those reserved to the server."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"messages": [{"role": "user", "content": "What is 12 * 7?"}]},
                {
                    "messages": [{"role": "user", "content": "What is 12 * 7?"}],
                    "stream": True,
                    "stream_options": {"include_usage": True},
                },
                {
                    "messages": [{"role": "user", "content": "What is 12 * 7?"}],
                    "empo": {"samples": 4, "answer": "consensus"},
                },
            ]
        }
    )

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=-1)
    """Only with `logprobs`."""
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None


class CompletionRequest(_Generation):
    """A completion. Fields that are not listed go to the engine, but for those reserved to the
    server."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "12 * 7 =", "max_tokens": 4}]}
    )

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None


class RatingRequest(Ours):
    """What you thought of an answer: either `score` or `rating`. A later one replaces it."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["score"], "properties": {"score": {"type": "number"}}},
                {"required": ["rating"], "properties": {"rating": {"type": "string"}}},
            ]
        }
    )

    query_id: str = Field(min_length=1, max_length=128)
    """From the answer's header X-Empo-Query-Id."""
    score: float | None = Field(default=None, strict=True, ge=-1, le=1, allow_inf_nan=False)
    """-1 (bad) to 1 (good)."""
    rating: Literal["up", "down"] | None = None
    """The same as 1 or -1."""
    comment: str | None = Field(default=None, max_length=2000)


# Answers to users.


class Cluster(Ours):
    """Samples that mean the same."""

    answer: str
    count: int
    probability: float


class Uncertainty(Ours):
    """How sure the answer is. Entropies are in nats; `confidence` is null for a single sample."""

    query_id: str
    version: str
    samples: int
    semantic_entropy: float
    semantic_entropy_norm: float
    num_clusters: int
    confidence: float | None
    clusters: list[Cluster]


class NoUncertainty(Ours):
    """The answer is there, but what was asked beside it failed."""

    query_id: str
    version: str
    error: str


class _Generated(_Engines):
    id: str
    created: int
    model: str
    usage: dict[str, Any] | None = None
    empo: Uncertainty | NoUncertainty | None = None


class Chat(_Generated):
    """The engine's answer."""

    object: Literal["chat.completion"]
    choices: list[dict[str, Any]]


class Completion(_Generated):
    """The engine's answer."""

    object: Literal["text_completion"]
    choices: list[dict[str, Any]]


class Rated(Ours):
    """The rating is kept."""

    query_id: str
    score: float


class Event(Ours):
    """One server-sent event."""

    event: Literal["message"] = "message"
    data: str
    """A chunk of the answer as JSON, an error object, or `[DONE]`."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The one public model. Adapter versions are the admin API's business."""

    id: str
    created: int
    root: str
    max_model_len: int | None
    object: Literal["model"] = "model"
    owned_by: str = "empo-serve"
    parent: None = None


@dataclass(frozen=True, slots=True)
class ModelList:
    data: list[ModelCard]
    object: Literal["list"] = "list"


# Answers to both.


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """OpenAI's error, in vLLM's spelling."""

    message: str
    type: str
    param: str | None
    code: int


@dataclass(frozen=True, slots=True)
class ErrorBody:
    error: ErrorObject


class Live(Ours):
    status: Literal["live"]


class Ready(Ours):
    status: Literal["ready"]


class NotReady(Ours):
    status: Literal["not ready"]
    reason: str
