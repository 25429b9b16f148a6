"""Wrong chat and completions requests without end; the same seed gives the same ones."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"

_VALID: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [{"role": "user", "content": "What is 12 * 7?"}]}),
    (
        CHAT,
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Capital of France?"}]},
            ],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_completion_tokens": 8,
            "n": 2,
            "logprobs": True,
            "top_logprobs": 3,
            "stop": ["\n", "x"],
            "seed": 5,
        },
    ),
    (
        CHAT,
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            "presence_penalty": 0.5,
            "frequency_penalty": -0.5,
            "logit_bias": {"5": 1.0},
            "user": "u",
            "empo": {"samples": 3, "answer": "consensus"},
        },
    ),
    (
        CHAT,
        {
            "messages": [{"role": "user", "content": "What is the word?"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "tool_choice": "none",
            "stream_options": {"include_usage": True},
        },
    ),
    (COMPLETIONS, {"prompt": "12 * 7 =", "max_tokens": 4}),
    (
        COMPLETIONS,
        {"prompt": ["a", "b"], "max_tokens": 4, "logprobs": 2, "n": 2, "stop": "x", "echo": False},
    ),
    (COMPLETIONS, {"prompt": [[1, 2, 3], [4]], "max_tokens": 3, "empo": {"samples": 2}}),
    (COMPLETIONS, {"prompt": [1, 2, 3], "temperature": 0, "stream_options": None, "echo": True}),
]

_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    17,
    0.5,
    -0.0,
    1e-320,
    1e308,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "5",
    "true",
    "user",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\U0010ffff\ufffe",
    "🙂" * 50,
    "x" * 20_000,
    "<|im_end|>",
    "{{ messages }}",
    [],
    [[]],
    [None],
    ["a", 1, None],
    [0] * 3_000,
    ["x"] * 500,
    [-1],
    [2**40],
    {},
    {"": None},
    {"type": "text"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    {"role": ["user"], "content": "x"},
    {"\ud800": "\0"},
]

_FIELDS = """
    model messages prompt n max_tokens max_completion_tokens min_tokens temperature top_p top_k
    min_p stop stop_token_ids ignore_eos seed logprobs top_logprobs stream stream_options echo
    suffix logit_bias user tools tool_choice response_format empo priority cache_salt request_id
    lora_request lora_path kv_transfer_params vllm_xargs prompt_logprobs return_token_ids
    chat_template_kwargs documents functions skip_special_tokens prompt_embeds
    add_special_tokens bad_words allowed_token_ids truncate_prompt_tokens
    include_stop_str_in_output best_of
"""

_EMPO: list[Any] = [
    {},
    {"samples": 1},
    {"samples": 4, "answer": "consensus"},
    {"samples": 16, "answer": "first"},
    {"samples": 17},
    {"samples": 2.5},
    {"samples": math.nan},
    {"answer": 1},
    {"samples": 2, "x": 1},
    [],
    "first",
    0,
]

_DEPTHS = (5, 100, 245, 250, 255, 900, 970, 980, 990, 5_000)

_HEADERS = (
    ("Content-Type", ["", "text/plain", "application/json; charset=utf-16", "application/jsonl"]),
    ("Content-Type", ["APPLICATION/JSON", "application/x-www-form-urlencoded", "multipart/mixed"]),
    ("Content-Encoding", ["gzip", "deflate", "identity", "nonsense"]),
    ("X-Empo-Version", ["v0", "v1", "v999999999", "v9999999999", "latest", "", "\xff"]),
    ("X-Empo-Learn", ["no", "yes", "0", "", "\xff"]),
    ("X-Request-Id", ["r-1", "", "x" * 129, "x" * 2_000, "a b", "\xff"]),
    ("Authorization", ["Bearer x", "Basic Og==", "\xff"]),
    ("Accept", ["text/event-stream", "text/html", "*/*;q=0"]),
    ("Cookie", ["a=b;;;=\xff", "=" * 500]),
    ("Accept-Encoding", ["gzip", "br, *;q=0"]),
    ("Priority", ["u=0"]),
    ("X-Data-Parallel-Rank", ["0", "-1"]),
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """`leaves_after_s` is when the client hangs up without having read; None is never."""

    path: str
    headers: dict[str, str]
    body: bytes
    leaves_after_s: float | None


def requests(seed: int, count: int) -> Iterator[Wrong]:
    rng = random.Random(seed)
    for _ in range(count):
        path, valid = rng.choice(_VALID)
        body = copy.deepcopy(valid)
        if rng.random() < 0.3:
            body["stream"] = True
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            _mutate(rng, body)
        headers = {"Content-Type": "application/json"}
        if rng.random() < 0.2:
            name, values = rng.choice(_HEADERS)
            headers[name] = rng.choice(values)
        raw = _to_bytes(rng, body)
        yield Wrong(path, headers, raw, 0.02 * rng.random() if rng.random() < 0.05 else None)


def _mutate(rng: random.Random, body: dict[str, Any]) -> None:
    holder, key = _anywhere(rng, body)
    match rng.randrange(8):
        case 0 | 1:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))
        case 2:
            del holder[key]
        case 3:
            body[rng.choice(_FIELDS.split())] = copy.deepcopy(rng.choice(_VALUES))
        case 4:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"": holder[key]}
        case 5:
            holder[key] = _Nested(rng.choice(_DEPTHS) + rng.randrange(8), rng.random() < 0.5)
        case 6:
            body["empo"] = copy.deepcopy(rng.choice(_EMPO))
        case 7:
            if isinstance(holder, list):
                holder.extend([holder[key]] * rng.choice((1, 3, 200)))
            else:
                holder[rng.choice(("", "\0", "\ud800", "x" * 5_000, "__proto__"))] = holder[key]


def _anywhere(rng: random.Random, body: dict[str, Any]) -> tuple[Any, Any]:
    """A random place of a body: what holds it, and its key there."""
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [body]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else list(range(min(len(holder), 10)))
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    if not places:
        body["model"] = None
        return body, "model"
    return rng.choice(places)


@dataclass(frozen=True, slots=True)
class _Nested:
    """Brackets in brackets: deeper than json.dumps can write."""

    depth: int
    is_array: bool

    def text(self) -> str:
        start, end = ("[", "]") if self.is_array else ('{"a":', "}")
        return start * self.depth + "1" + end * self.depth


def _to_bytes(rng: random.Random, body: dict[str, Any]) -> bytes:
    nested: dict[str, str] = {}

    def mark(value: Any) -> str:
        assert isinstance(value, _Nested)
        nested[f'"nested-{len(nested)}"'] = value.text()
        return f"nested-{len(nested) - 1}"

    text = json.dumps(body, default=mark, ensure_ascii=rng.random() < 0.8)
    for name, brackets in nested.items():
        text = text.replace(name, brackets)
    if text.startswith('{"') and rng.random() < 0.05:  # a field twice
        text = '{"messages": 1, "prompt": null, "stream": false, ' + text[1:]
    raw = text.encode("utf-8", "surrogatepass")
    match rng.randrange(60):
        case 0:
            return raw[: rng.randrange(len(raw))]
        case 1:
            at = rng.randrange(len(raw))
            return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
        case 2:
            at = rng.randrange(len(raw))
            return raw[:at] + b"\xff\xfe\0" + raw[at:]
        case 3:
            return rng.choice(
                (b"", b"null", b"[]", b'"x"', b"1e999", b"{}", b"\0", b"\xef\xbb\xbf{}")
            )
        case 4:
            return raw + rng.choice((b"{}", b"\0", b"]", b" " * 10_000))
        case 5:
            return text.encode("utf-16", "surrogatepass")
        case 6:
            return rng.randbytes(rng.randrange(200))
    return raw
