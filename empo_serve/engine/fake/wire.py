"""Answers in vLLM 0.32's JSON: whole ones, and the events of a stream."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from empo_serve.engine.fake.model import Step
from empo_serve.engine.fake.protocol import ChatRequest, CompletionRequest
from empo_serve.engine.fake.tokenizer import token_bytes, token_text

_FINGERPRINT = "fake-engine"
_ids = random.Random()

DONE = b"data: [DONE]\n\n"


def to_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(value: Any) -> bytes:
    return b"data: " + to_json(value) + b"\n\n"


def error_event(value: Any) -> bytes:
    """An error that is found in a stream; vLLM writes this one JSON with spaces."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@dataclass(slots=True)
class Choice:
    """One sequence as it grows."""

    index: int
    prompt_token_ids: list[int]
    text: str = ""
    num_tokens: int = 0
    steps: list[Step] = field(default_factory=list)
    prompt_logprobs: list[float] | None = None  # of each token after the first, where wanted

    def add(self, step: Step) -> Choice:
        self.text += step.text
        self.num_tokens += 1
        return self


class ChatAnswer:
    """Chat completions on the wire."""

    def __init__(self, request: ChatRequest, model: str, choices: list[Choice]) -> None:
        self._request = request
        self._choices = choices
        self._id = f"chatcmpl-{_ids.getrandbits(64):016x}"
        self._created = int(time.time())
        self._model = model

    def whole(self) -> dict[str, Any]:
        request, prompt = self._request, self._choices[0].prompt_token_ids
        return {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._model,
            "choices": [
                {
                    "index": choice.index,
                    "message": {
                        "role": "assistant",
                        "content": choice.text,
                        "refusal": None,
                        "annotations": None,
                        "audio": None,
                        "function_call": None,
                        "reasoning": None,
                    },
                    "logprobs": self._logprobs(choice.steps),
                    "finish_reason": choice.steps[-1].finish_reason,
                    "stop_reason": choice.steps[-1].stop_reason,
                    "token_ids": _token_ids(request.return_token_ids, choice.steps),
                    "routed_experts": None,
                }
                for choice in self._choices
            ],
            "service_tier": None,
            "system_fingerprint": _FINGERPRINT,
            "usage": _usage(self._choices, details=True),
            "prompt_logprobs": None,
            "prompt_token_ids": prompt if request.return_token_ids else None,
            "prompt_text": None,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def first_events(self) -> Iterator[bytes]:
        """The role of each choice, before any text."""
        prompt = self._choices[0].prompt_token_ids
        for choice in self._choices:
            chunk = self._chunk(
                {
                    "index": choice.index,
                    "delta": {"role": "assistant", "content": ""},
                    "logprobs": None,
                    "finish_reason": None,
                }
            )
            self._add_usage(chunk, [Choice(choice.index, choice.prompt_token_ids)])
            chunk["prompt_token_ids"] = prompt if self._request.return_token_ids else None
            chunk["prompt_text"] = None
            yield event(chunk)

    def step_event(self, choice: Choice, step: Step) -> bytes:
        body: dict[str, Any] = {
            "index": choice.index,
            "delta": {"content": step.text},
            "logprobs": self._logprobs([step]),
            "finish_reason": step.finish_reason,
        }
        if step.finish_reason:
            body["stop_reason"] = step.stop_reason
        body["token_ids"] = _token_ids(self._request.return_token_ids, [step])
        chunk = self._chunk(body)
        self._add_usage(chunk, [choice])
        if step.finish_reason and not self._request.include_usage:
            chunk["system_fingerprint"] = _FINGERPRINT
        return event(chunk)

    def usage_event(self) -> bytes:
        return event(
            {
                **self._chunk(None),
                "usage": _usage(self._choices),
                "system_fingerprint": _FINGERPRINT,
            }
        )

    def _add_usage(self, chunk: dict[str, Any], choices: list[Choice]) -> None:
        if self._request.include_usage_in_every_chunk:
            chunk["usage"] = {**_usage(choices), "completion_tokens_details": None}

    def _chunk(self, choice: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [choice] if choice else [],
        }

    def _logprobs(self, steps: Iterable[Step]) -> dict[str, Any] | None:
        num_top = self._request.num_top()
        if num_top is None:
            return None
        return {
            "content": [
                {
                    **_chat_token(step.token_id, step.logprob),
                    "top_logprobs": [_chat_token(*one) for one in step.top[:num_top]],
                }
                for step in steps
            ]
        }


class CompletionAnswer:
    """Completions on the wire."""

    def __init__(self, request: CompletionRequest, model: str, choices: list[Choice]) -> None:
        self._request = request
        self._choices = choices
        self._id = f"cmpl-{_ids.getrandbits(64):016x}"
        self._created = int(time.time())
        self._model = model

    def whole(self) -> dict[str, Any]:
        with_ids = self._request.return_token_ids
        return {
            **self._chunk(None),
            "choices": [
                {
                    "index": choice.index,
                    "text": self._request.echo_text(choice.prompt_token_ids) + choice.text,
                    "logprobs": self._logprobs(choice.steps),
                    "finish_reason": choice.steps[-1].finish_reason,
                    "stop_reason": choice.steps[-1].stop_reason,
                    "token_ids": _token_ids(with_ids, choice.steps),
                    "prompt_logprobs": _prompt_logprobs(choice),
                    "prompt_token_ids": choice.prompt_token_ids if with_ids else None,
                    "routed_experts": None,
                }
                for choice in self._choices
            ],
            "service_tier": None,
            "system_fingerprint": _FINGERPRINT,
            "usage": _usage(self._choices, details=True),
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def first_events(self) -> Iterator[bytes]:
        return iter(())

    def step_event(self, choice: Choice, step: Step) -> bytes:
        is_first = choice.num_tokens == 1
        with_prompt = is_first and self._request.return_token_ids
        echoed = self._request.echo_text(choice.prompt_token_ids) if is_first else ""
        chunk = self._chunk(
            {
                "index": choice.index,
                "text": echoed + step.text,
                "logprobs": self._logprobs([step], offset=len(choice.text) - len(step.text)),
                "finish_reason": step.finish_reason,
                "stop_reason": step.stop_reason,
                "prompt_token_ids": choice.prompt_token_ids if with_prompt else None,
                "token_ids": _token_ids(self._request.return_token_ids, [step]),
            }
        )
        if self._request.include_usage_in_every_chunk:
            chunk["usage"] = _usage([choice])
        if step.finish_reason and not self._request.include_usage:
            chunk["system_fingerprint"] = _FINGERPRINT
        return event(chunk)

    def usage_event(self) -> bytes:
        return event(
            {
                **self._chunk(None),
                "usage": _usage(self._choices),
                "system_fingerprint": _FINGERPRINT,
            }
        )

    def _chunk(self, choice: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._model,
            "choices": [choice] if choice else [],
        }

    def _logprobs(self, steps: Iterable[Step], offset: int = 0) -> dict[str, Any] | None:
        if self._request.num_top() is None:
            return None
        offsets, tokens, logprobs, top = [], [], [], []
        for step in steps:
            text = token_text(step.token_id)
            offsets.append(offset)
            tokens.append(text)
            logprobs.append(step.logprob)
            top.append({token_text(token): logprob for token, logprob in step.top})
            offset += len(text)
        return {
            "text_offset": offsets,
            "token_logprobs": logprobs,
            "tokens": tokens,
            "top_logprobs": top,
        }


def _chat_token(token_id: int, logprob: float) -> dict[str, Any]:
    return {
        "token": token_text(token_id),
        "logprob": logprob,
        "bytes": list(token_bytes(token_id)),
    }


def _prompt_logprobs(choice: Choice) -> list[dict[str, Any] | None] | None:
    if choice.prompt_logprobs is None:
        return None
    rows = zip(choice.prompt_token_ids[1:], choice.prompt_logprobs, strict=True)
    return [
        None,
        *(
            {str(token): {"logprob": logprob, "rank": 1, "decoded_token": token_text(token)}}
            for token, logprob in rows
        ),
    ]


def _token_ids(wanted: bool | None, steps: Iterable[Step]) -> list[int] | None:
    return [step.token_id for step in steps] if wanted else None


def _usage(choices: list[Choice], details: bool = False) -> dict[str, Any]:
    # The samples of one prompt share it, so it counts once.
    prompts = {id(choice.prompt_token_ids): len(choice.prompt_token_ids) for choice in choices}
    num_prompt_tokens = sum(prompts.values())
    num_tokens = sum(choice.num_tokens for choice in choices)
    usage: dict[str, Any] = {
        "prompt_tokens": num_prompt_tokens,
        "total_tokens": num_prompt_tokens + num_tokens,
        "completion_tokens": num_tokens,
    }
    if details:
        usage["prompt_tokens_details"] = None
        usage["completion_tokens_details"] = None
    return usage
