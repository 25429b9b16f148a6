"""Requests that must get the same answer from vLLM and from the gateway in front of it.

`MODEL` in a body stands for the name of the model, which is the one thing that differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openai_http import JSON

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
MODEL = "@model@"


@dataclass(frozen=True)
class Case:
    """One request. `direct` is what vLLM gets where the gateway withholds fields from it."""

    name: str
    path: str
    raw: bytes
    content_type: str | None = JSON
    direct: bytes | None = None


def _body(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`...` takes a field out."""
    return {key: value for key, value in (base | changes).items() if value is not ...}


def _user(content: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content, **more}]


QUESTION = _user("What is the capital of France? Answer in one word.")
_CHAT = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 8}
_COMPLETION = {"model": MODEL, "prompt": "The capital of France is", "temperature": 0}
_COMPLETION |= {"max_tokens": 8}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "get_time"}}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}
TOOL_HISTORY = [
    *QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny, 21 °C"},
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Lyon"]}},
    "required": ["city"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
IMAGE = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
AUDIO = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
SAMPLED = {"temperature": 0.9, "seed": 7}
LOGPROBS = {"logprobs": True, "top_logprobs": 3}
STREAM = {"stream": True}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
EACH_USAGE = {
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
}
CHOICE = {"structured_outputs": {"choice": ["Paris", "Lyon"]}}

CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stream": STREAM,
    "stream, usage": USAGE,
    "stream, usage in each event": EACH_USAGE,
    "stream, no usage": {"stream": True, "stream_options": {"include_usage": False}},
    "stream as a word": {"stream": "true"},
    "stream null": {"stream": None},
    "max_completion_tokens": {"max_completion_tokens": 5, "max_tokens": ...},
    "both limits": {"max_completion_tokens": 3, "max_tokens": 5},
    "several": SAMPLED | {"n": 3},
    "several, stream": SAMPLED | {"n": 2} | USAGE,
    "several, greedy": {"n": 2},
    "seed": SAMPLED,
    "negative seed": {"seed": -1},
    "top_p": SAMPLED | {"top_p": 0.5},
    "top_k, min_p": SAMPLED | {"top_k": 5, "min_p": 0.1},
    "penalties": {"presence_penalty": 1.5, "frequency_penalty": -0.5},
    "repetition_penalty": {"repetition_penalty": 1.3},
    "logit_bias": {"logit_bias": {"100": 5.0, "101": -100}},
    "logit_bias out of vocabulary": {"logit_bias": {"99999999": 1}},
    "bad_words": {"bad_words": ["Paris"]},
    "allowed_token_ids": {"allowed_token_ids": [100, 101, 102]},
    "stop": {"stop": "a"},
    "stops": {"stop": ["zzz", "i", "e"], "include_stop_str_in_output": True},
    "stops, stream": {"stop": ["i", "e"]} | STREAM,
    "stop_token_ids": {"stop_token_ids": [5, 100, 101]},
    "ignore_eos": {"ignore_eos": True, "max_tokens": 20},
    "min_tokens": {"min_tokens": 8},
    "skip_special_tokens": {"skip_special_tokens": False, "max_tokens": 20},
    "logprobs": {"logprobs": True},
    "top_logprobs": LOGPROBS,
    "top_logprobs, stream": LOGPROBS | STREAM,
    "too many top_logprobs, stream": {"logprobs": True, "top_logprobs": 50} | STREAM,
    "tokens as ids": LOGPROBS | {"return_tokens_as_token_ids": True},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, *QUESTION]},
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, *QUESTION]},
    "turns": {"messages": [*_user("Hi"), {"role": "assistant", "content": "Hello"}, *QUESTION]},
    "names": {"messages": _user("Hi", name="alice")},
    "parts": {"messages": _user([{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}])},
    "image": {"messages": _user(IMAGE)},
    "audio": {"messages": _user(AUDIO)},
    "unknown part": {"messages": _user([{"type": "smell", "smell": "x"}])},
    "prefill": {
        "messages": [*QUESTION, {"role": "assistant", "content": "The capital"}],
        "continue_final_message": True,
        "add_generation_prompt": False,
    },
    "echo": {"echo": True},
    "tools": {"tools": [WEATHER]},
    "tools, stream": {"tools": [WEATHER, TIME], "max_tokens": 24} | USAGE,
    "tools, auto": {"tools": [WEATHER], "tool_choice": "auto"},
    "tools, none": {"tools": [WEATHER], "tool_choice": "none"},
    "tools, required": {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 40},
    "tools, required, stream": {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 40}
    | STREAM,
    "tools, named": {"tools": [WEATHER, TIME], "tool_choice": NAMED},
    "tools, named, stream": {"tools": [WEATHER, TIME], "tool_choice": NAMED} | STREAM,
    "tools, unknown name": {"tools": [WEATHER], "tool_choice": NAMED},
    "tools, one by one": {"tools": [WEATHER, TIME], "parallel_tool_calls": False},
    "no tools, required": {"tool_choice": "required"},
    "empty tools": {"tools": []},
    "a tool's answer": {"messages": TOOL_HISTORY, "tools": [WEATHER]},
    "functions": {"functions": [WEATHER["function"]], "function_call": "auto"},
    "text": {"response_format": {"type": "text"}},
    "json_object": {"response_format": {"type": "json_object"}, "max_tokens": 16},
    "json_schema": {"response_format": JSON_SCHEMA, "max_tokens": 24},
    "json_schema, stream": {"response_format": JSON_SCHEMA, "max_tokens": 24} | STREAM,
    "no json_schema": {"response_format": {"type": "json_schema"}},
    "choice": CHOICE,
    "choice, several, stream": CHOICE | SAMPLED | {"n": 2} | STREAM,
    "regex": {"structured_outputs": {"regex": "[A-Z][a-z]{2,5}"}},
    "grammar": {"structured_outputs": {"grammar": 'root ::= "Paris" | "Lyon"'}},
    "json": {"structured_outputs": {"json": SCHEMA}, "max_tokens": 24},
    "two structures": {"structured_outputs": {"choice": ["a"], "regex": "b"}},
    "a bad regex": {"structured_outputs": {"regex": "(["}},
    "guided_choice": {"guided_choice": ["Paris", "Lyon"]},
    "guided_regex": {"guided_regex": "[0-9]+", "guided_json": SCHEMA},
    "reasoning": {"include_reasoning": True, "reasoning_effort": "low"},
    "no reasoning": {"include_reasoning": False, "reasoning_effort": "none"},
    "template arguments": {"chat_template_kwargs": {"enable_thinking": False}},
    "a template": {"chat_template": "{{ messages[0].content }}"},
    "documents": {"documents": [{"title": "t", "text": "x"}]},
    "OpenAI's own": {
        "user": "me",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text"],
        "verbosity": "low",
    },
    "unknown fields": {"no_such_field": [1, {"a": None}], "x" * 100: 1},
    "beams": {"use_beam_search": True, "n": 2},
    "truncate_prompt_tokens": {"truncate_prompt_tokens": 10},
    "return_prompt_text": {"return_prompt_text": True},
    "emoji": {"messages": _user("👩🏽‍🚀 ⁧שלום⁩ ﷽ 🇫🇷?")},
    "control characters": {"messages": _user("a\x00b\x07c\x7f\u2028")},
    "an adapter's text": {"messages": _user('"model":"empo-1-v0"')},
    "no model": {"model": 3},
    "a list of models": {"model": ["a"]},
    "messages and model": {"model": {}, "messages": "x", "n": "many"},
    "no messages": {"messages": []},
    "messages null": {"messages": None},
    "messages missing": {"messages": ...},
    "no object": {"messages": ["x"]},
    "no role": {"messages": [{"content": "x"}]},
    "unknown role": {"messages": [{"role": "king", "content": "x"}]},
    "content null": {"messages": _user(None)},
    "content a number": {"messages": _user(5)},
    "content empty": {"messages": _user("")},
    "content of no parts": {"messages": _user([])},
    "too long": {"messages": _user("word " * 3000)},
    "max_tokens of millions": {"max_tokens": 10**7},
    "max_tokens of zero": {"max_tokens": 0},
    "max_tokens below zero, stream": {"max_tokens": -1} | STREAM,
    "two mistakes": {"temperature": "hot", "top_p": "x"},
    "options without stream": {"stream_options": {"include_usage": True}},
    "min above max": {"min_tokens": 50},
    "too many stops": {"stop": list("abcdefgh")},
    "an empty stop": {"stop": [""]},
}
# One field each that cannot be what it is.
WRONG: dict[str, tuple[Any, ...]] = {
    "temperature": ("hot", -1, 3, [1]),
    "top_p": (0, 2, "x"),
    "top_k": (-5, "x", 1.5),
    "min_p": (-1, 2, "x"),
    "n": (0, -1, 1.5, "x"),
    "seed": ("x", 1.5),
    "stop": (5, [1], {}),
    "stop_token_ids": ("x", [None]),
    "presence_penalty": (3, "x"),
    "frequency_penalty": (-3, [1]),
    "repetition_penalty": (0, "x"),
    "logit_bias": ("x", [1], {"a": 1}, {"1": "x"}),
    "logprobs": ("x", 5),
    "top_logprobs": (2, -2, "x"),
    "max_tokens": ("x", 1.5, True),
    "max_completion_tokens": (0, "x"),
    "stream": ("x", 2),
    "stream_options": (3, {"include_usage": 5}),
    "tools": ("x", [{}], [{"type": "function"}], {"a": 1}),
    "tool_choice": ("sometimes", 5, {"type": "function"}),
    "parallel_tool_calls": ("x",),
    "response_format": ("json", {"type": "xml"}, {}),
    "structured_outputs": ("x", {"choice": []}, {"no": 1}),
    "chat_template_kwargs": ("x",),
    "reasoning_effort": ("huge", 5),
    "user": (5,),
    "ignore_eos": ("x",),
}
PROMPTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "default length": {"max_tokens": ...},
    "stream": STREAM,
    "stream, usage": USAGE,
    "stream, usage in each event": EACH_USAGE,
    "several": SAMPLED | {"n": 2},
    "several, stream": SAMPLED | {"n": 2} | STREAM,
    "several prompts": {"prompt": ["The capital of France is", "The capital of Italy is"]},
    "several prompts, stream": {"prompt": ["One, two,", "A, B,"]} | USAGE,
    "token ids": {"prompt": [10, 20, 30, 40]},
    "lists of token ids": {"prompt": [[10, 20, 30], [40, 50]]},
    "mixed": {"prompt": ["a", [1, 2]]},
    "echo": {"echo": True},
    "echo, stream": {"echo": True} | STREAM,
    "echo, logprobs": {"echo": True, "logprobs": 2},
    "echo, logprobs, nothing new": {"echo": True, "logprobs": 1, "max_tokens": 0},
    "logprobs": {"logprobs": 3},
    "logprobs of zero": {"logprobs": 0},
    "logprobs, stream": {"logprobs": 2} | STREAM,
    "best_of": SAMPLED | {"best_of": 3},
    "suffix": {"suffix": "and Rome is that of Italy"},
    "stop": {"stop": [",", "."]},
    "structured": {"structured_outputs": {"choice": [" Paris", " Lyon"]}},
    "response_format": {"response_format": {"type": "json_object"}, "max_tokens": 16},
    "ignore_eos, seed": SAMPLED | {"ignore_eos": True, "min_tokens": 4},
    "user": {"user": "me", "unknown": 1},
    "emoji": {"prompt": "👩🏽‍🚀 é"},
    "control characters": {"prompt": "a\x00b"},
    "prompt missing": {"prompt": ...},
    "prompt null": {"prompt": None},
    "prompt empty": {"prompt": ""},
    "no prompts": {"prompt": []},
    "prompt a number": {"prompt": 5},
    "prompt an object": {"prompt": {"a": 1}},
    "negative token id": {"prompt": [-1]},
    "token id out of vocabulary": {"prompt": [10**7]},
    "too long": {"prompt": "word " * 3000},
    "max_tokens of millions": {"max_tokens": 10**7},
    "logprobs of a word": {"logprobs": "x"},
    "too many logprobs": {"logprobs": 50},
    "n of zero": {"n": 0},
    "a chat": {"prompt": ..., "messages": QUESTION},
}
# Fields that are the gateway's own: the answer is that of the request without them.
RESERVED: dict[str, Any] = {
    "priority": -100,
    "request_id": "mine",
    "cache_salt": "salt",
    "return_token_ids": True,
    "prompt_logprobs": 2,
    "kv_transfer_params": {"do_remote_prefill": True},
    "ec_transfer_params": {"a": 1},
    "vllm_xargs": {"a": 1},
    "lora_request": {"lora_name": "x", "lora_path": "/etc"},
    "lora_path": "/etc",
}
_START = b'{"model":"@model@","temperature":0,"max_tokens":4,"messages":[{"role":"user",'
RAW: dict[str, tuple[bytes, str | None]] = {
    "nothing": (b"", JSON),
    "spaces": (b"  ", JSON),
    "null": (b"null", JSON),
    "a list": (b"[1,2]", JSON),
    "a text": (b'"' + b"x" * 500 + b'"', JSON),
    "a number": (b"12.50", JSON),
    "true": (b"true", JSON),
    "no json": (b'{"model":x}', JSON),
    "cut off": (b'{"model":"a', JSON),
    "a comma too many": (_START + b'"content":"x"}],}', JSON),
    "more after the end": (_START + b'"content":"x"}]} {}', JSON),
    "a key twice": (_START + b'"content":"x"}],"max_tokens":2,"seed":1,"seed":2}', JSON),
    "long and strange numbers": (
        _START + b'"content":"x"}],"top_p":9.99999999999999999999e-1,"min_p":-0.0,"x":'
        b'[123456789012345678901234567890],"seed":-9223372036854775808}',
        JSON,
    ),
    "spaces between": (
        b'{ "model" :\n"@model@", "max_tokens":3,\t"temperature":0, "messages": '
        b'[ {"role":"user","content":"x"} ] }',
        JSON,
    ),
    "escapes": (_START + b'"content":"\\u0041\\/\\ud83d\\ude00\\n\xe2\x82\xac"}]}', JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + _START + b'"content":"x"}]}', JSON),
    "utf-16": ((_START + b'"content":"x"}]}').decode().encode("utf-16"), JSON),
    "a charset": (_START + b'"content":"x"}]}', "application/json; charset=utf-8"),
    "capitals in the type": (_START + b'"content":"x"}]}', "Application/JSON"),
    "no type": (_START + b'"content":"x"}]}', None),
    "a form": (b"model=@model@", "application/x-www-form-urlencoded"),
    "plain text": (_START + b'"content":"x"}]}', "text/plain"),
}


def _cases() -> Iterator[Case]:
    for name, changes in CHATS.items():
        yield Case(f"chat: {name}", CHAT, _json(_body(_CHAT, changes)))
    for field, values in WRONG.items():
        for value in values:
            name = f"chat: {field} = {json.dumps(value)}"
            yield Case(name, CHAT, _json(_body(_CHAT, {field: value})))
    for name, changes in PROMPTS.items():
        yield Case(f"completion: {name}", COMPLETIONS, _json(_body(_COMPLETION, changes)))
    for field, value in RESERVED.items():
        for path, base in ((CHAT, _CHAT), (COMPLETIONS, _COMPLETION)):
            name = f"{path.removeprefix('/v1/')}: reserved {field}"
            yield Case(name, path, _json(base | {field: value}), direct=_json(base))
    for name, (raw, content_type) in RAW.items():
        yield Case(f"bytes: {name}", CHAT, raw, content_type)


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


CASES = list(_cases())

# Where the gateway differs, and why. Each is also in docs/architecture.md.
DIFFERENT: list[tuple[Case, int, str]] = [
    (
        Case("no model", CHAT, b"{}"),
        400,
        "the gateway names the live version, which is one more field in vLLM's count of them",
    ),
    (
        Case("another model", CHAT, _json(_CHAT | {"model": "other", "messages": 5})),
        404,
        "a client's model name never reaches the engine, so this is found before other mistakes",
    ),
    (
        Case("no text", CHAT, b'{"model":"\xff"}'),
        400,
        'vLLM answers {"detail": ...}, the gateway always with OpenAI\'s error object',
    ),
    (
        Case("no JSON numbers", CHAT, _START + b'"content":"x"}],"x":[NaN,1e999]}'),
        400,
        "Python reads NaN and numbers beyond all bounds, which are not JSON",
    ),
    (
        Case("half a character", CHAT, _json(_CHAT | {"messages": _user("a\ud800b")})),
        400,
        "the same refusal in other words: vLLM's are those of Python, or a 500, by the field",
    ),
    (
        Case("more than 64 bits", CHAT, _json(_CHAT | {"seed": 2**70})),
        400,
        "the same refusal in other words: in some fields such a number is a 500 of vLLM's",
    ),
    (
        Case("too many answers", CHAT, _json(_CHAT | {"n": 65, "temperature": 1, "max_tokens": 1})),
        400,
        "limits.max_n",
    ),
]
