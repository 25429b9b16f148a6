"""What empo_serve relies on in an engine. What vLLM does is the truth; the fake does the same."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from engines import MAX_MODEL_LEN, MODEL, Engine
from openai_http import JSON, Answer, post, post_json, shape

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
LOAD = "/v1/load_lora_adapter"
UNLOAD = "/v1/unload_lora_adapter"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SSE = "text/event-stream; charset=utf-8"

# Shapes of the answers: keys in order, types of values, None for null.

USAGE = {"prompt_tokens": int, "total_tokens": int, "completion_tokens": int}
USAGE_DETAILED = {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}


def chat_shape(logprobs: Any = None, ids: Any = None) -> dict[str, Any]:
    message = {"role": str, "content": str, "refusal": None, "annotations": None}
    return {
        "id": str,
        "object": str,
        "created": int,
        "model": str,
        "choices": [
            {
                "index": int,
                "message": {**message, "audio": None, "function_call": None, "reasoning": None},
                "logprobs": logprobs,
                "finish_reason": str,
                "stop_reason": None,
                "token_ids": ids,
                "routed_experts": None,
            }
        ],
        "service_tier": None,
        "system_fingerprint": str,
        "usage": USAGE_DETAILED,
        "prompt_logprobs": None,
        "prompt_token_ids": ids,
        "prompt_text": None,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def chat_logprobs_shape(num_top: int) -> dict[str, Any]:
    token = {"token": str, "logprob": float, "bytes": [int]}
    return {"content": [{**token, "top_logprobs": [token] if num_top else []}]}


def completion_shape(logprobs: Any = None, ids: Any = None) -> dict[str, Any]:
    return {
        "id": str,
        "object": str,
        "created": int,
        "model": str,
        "choices": [
            {
                "index": int,
                "text": str,
                "logprobs": logprobs,
                "finish_reason": str,
                "stop_reason": None,
                "token_ids": ids,
                "prompt_logprobs": None,
                "prompt_token_ids": ids,
                "routed_experts": None,
            }
        ],
        "service_tier": None,
        "system_fingerprint": str,
        "usage": USAGE_DETAILED,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def chunk_shape(choice: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    head = {"id": str, "object": str, "created": int, "model": str}
    return {**head, "choices": [choice] if choice else [], **more}


def chat_chunk_shape(
    logprobs: Any = None, ids: Any = None, is_last: bool = False, **more: Any
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": int, "delta": {"content": str}, "logprobs": logprobs}
    choice["finish_reason"] = str if is_last else None
    if is_last:
        choice["stop_reason"] = None
    return chunk_shape({**choice, "token_ids": ids}, **more)


def role_shape(prompt_ids: Any = None) -> dict[str, Any]:
    delta = {"role": str, "content": str}
    choice = {"index": int, "delta": delta, "logprobs": None, "finish_reason": None}
    return chunk_shape(choice, prompt_token_ids=prompt_ids, prompt_text=None)


def completion_chunk_shape(
    logprobs: Any = None,
    ids: Any = None,
    prompt_ids: Any = None,
    is_last: bool = False,
    **more: Any,
) -> dict[str, Any]:
    choice = {
        "index": int,
        "text": str,
        "logprobs": logprobs,
        "finish_reason": str if is_last else None,
        "stop_reason": None,
        "prompt_token_ids": prompt_ids,
        "token_ids": ids,
    }
    return chunk_shape(choice, **more)


# Requests. Short ones: the real engine runs on a CPU.


def chat_body(**fields: Any) -> dict[str, Any]:
    body = {"model": "zero", "messages": QUESTION, "max_tokens": 3, "temperature": 0, **fields}
    return {key: value for key, value in body.items() if value is not ...}


def completion_body(**fields: Any) -> dict[str, Any]:
    body = {"model": "zero", "prompt": "The sun is", "max_tokens": 3, "temperature": 0, **fields}
    return {key: value for key, value in body.items() if value is not ...}


def chat(engine: Engine, **fields: Any) -> Answer:
    return post_json(engine.url, CHAT, chat_body(**fields))


def completion(engine: Engine, **fields: Any) -> Answer:
    return post_json(engine.url, COMPLETIONS, completion_body(**fields))


def text_of(answer: Answer) -> str:
    assert answer.status == 200, answer.raw
    choice = answer.body["choices"][0]
    return str(choice["message"]["content"] if "message" in choice else choice["text"])


# Whole answers.


def test_a_chat_answer_has_the_shape_of_vllm(engine: Engine) -> None:
    answer = chat(engine)
    assert (answer.status, answer.content_type) == (200, JSON)
    assert shape(answer.body) == chat_shape()
    assert list(answer.body) == list(chat_shape())
    assert answer.body["object"] == "chat.completion"
    assert answer.body["id"].startswith("chatcmpl-")
    assert answer.body["model"] == "zero"


@pytest.mark.parametrize("num_top", [0, 2])
def test_a_chat_answer_carries_logprobs_and_token_ids(engine: Engine, num_top: int) -> None:
    answer = chat(engine, logprobs=True, top_logprobs=num_top, return_token_ids=True)
    assert shape(answer.body) == chat_shape(chat_logprobs_shape(num_top), [int])
    tokens = answer.body["choices"][0]["logprobs"]["content"]
    assert [len(token["top_logprobs"]) for token in tokens] == [num_top] * len(tokens)


def test_a_completion_has_the_shape_of_vllm(engine: Engine) -> None:
    answer = completion(engine)
    assert (answer.status, answer.content_type) == (200, JSON)
    assert shape(answer.body) == completion_shape()
    assert list(answer.body) == list(completion_shape())
    assert answer.body["object"] == "text_completion"
    assert answer.body["id"].startswith("cmpl-")


def test_a_completion_carries_logprobs_and_token_ids(engine: Engine) -> None:
    answer = completion(engine, logprobs=0, return_token_ids=True).body
    logprobs = answer["choices"][0].pop("logprobs")
    top = logprobs.pop("top_logprobs")
    assert shape(logprobs) == {"text_offset": [int], "token_logprobs": [float], "tokens": [str]}
    assert top == [
        {token: logprob}
        for token, logprob in zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
    ]
    assert shape({**answer, "choices": [{**answer["choices"][0], "logprobs": None}]}) == {
        **completion_shape(ids=[int]),
        "choices": [{**_moved_last(completion_shape(ids=[int])["choices"][0], "logprobs")}],
    }


def _moved_last(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    rest = {k: v for k, v in mapping.items() if k != key}
    return {**rest, key: mapping[key]}


def test_each_of_n_choices_has_its_index(engine: Engine) -> None:
    body = chat(engine, n=3, temperature=1).body
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert len({json.dumps(shape(choice), default=str) for choice in body["choices"]}) == 1


def test_completions_of_several_prompts_come_in_order_of_the_prompts(engine: Engine) -> None:
    prompts = ["The sun is", "One and one is"]
    body = completion(engine, prompt=prompts, max_tokens=2).body
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    alone = [completion(engine, prompt=prompt, max_tokens=2).body for prompt in prompts]
    assert body["usage"]["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in alone)


def test_json_is_written_without_spaces(engine: Engine) -> None:
    assert b'"model":"zero"' in chat(engine).raw
    assert b'"model":"zero"' in completion(engine).raw
    assert b'"model":"zero"' in chat(engine, stream=True).raw


@pytest.mark.parametrize("route", [CHAT, COMPLETIONS])
def test_token_ids_are_as_many_as_the_usage_says(engine: Engine, route: str) -> None:
    body = chat_body if route == CHAT else completion_body
    answer = post_json(engine.url, route, body(n=2, temperature=1, return_token_ids=True)).body
    ids = [choice["token_ids"] for choice in answer["choices"]]
    assert sum(map(len, ids)) == answer["usage"]["completion_tokens"]
    prompt = answer["prompt_token_ids"] if route == CHAT else ids and answer["choices"][0]
    prompt_ids = prompt if isinstance(prompt, list) else prompt["prompt_token_ids"]
    assert len(prompt_ids) == answer["usage"]["prompt_tokens"]
    assert answer["usage"]["total_tokens"] == len(prompt_ids) + sum(map(len, ids))


def test_the_end_token_is_counted_but_not_in_the_text(engine: Engine) -> None:
    body = chat(engine, max_tokens=40, logprobs=True, return_token_ids=True).body
    choice = body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", None)
    tokens = [token["token"] for token in choice["logprobs"]["content"]]
    assert len(tokens) == len(choice["token_ids"])
    assert "".join(tokens[:-1]) == choice["message"]["content"]


def test_max_tokens_cuts_the_answer(engine: Engine) -> None:
    for limit in ({"max_tokens": 1}, {"max_tokens": 9, "max_completion_tokens": 1}):
        body = chat(engine, **limit).body
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == 1


def test_the_end_of_the_context_cuts_the_answer(engine: Engine) -> None:
    body = completion(engine, prompt=[5] * (MAX_MODEL_LEN - 1), max_tokens=9).body
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["total_tokens"] == MAX_MODEL_LEN


def test_ignore_eos_goes_on_to_max_tokens(engine: Engine) -> None:
    body = chat(engine, ignore_eos=True, max_tokens=20).body
    assert body["usage"]["completion_tokens"] == 20
    assert body["choices"][0]["finish_reason"] == "length"


def test_a_stop_string_ends_the_answer_before_it(engine: Engine) -> None:
    whole = text_of(chat(engine, max_tokens=6))
    stop = whole[2:9]  # begins in one token and ends in another
    body = chat(engine, max_tokens=6, stop=stop).body
    assert body["choices"][0]["message"]["content"] == whole[: whole.find(stop)]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["stop_reason"] == stop
    kept = chat(engine, max_tokens=6, stop=[stop], include_stop_str_in_output=True)
    assert text_of(kept) == whole[: whole.find(stop) + len(stop)]


def test_a_stop_token_ends_the_answer_before_it(engine: Engine) -> None:
    whole = chat(engine, max_tokens=4, return_token_ids=True, logprobs=True).body["choices"][0]
    stop_id = whole["token_ids"][2]
    cut = chat(engine, max_tokens=4, stop_token_ids=[stop_id], return_token_ids=True).body
    choice = cut["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop_id)
    first = whole["token_ids"].index(stop_id)
    assert choice["token_ids"] == whole["token_ids"][: first + 1]


def test_echo_puts_the_prompt_before_the_text(engine: Engine) -> None:
    assert text_of(completion(engine, echo=True)) == "The sun is" + text_of(completion(engine))


def test_token_ids_are_a_prompt_too(engine: Engine) -> None:
    by_text = completion(engine, return_token_ids=True).body
    ids = by_text["choices"][0]["prompt_token_ids"]
    by_ids = completion(engine, prompt=ids).body
    assert by_ids["choices"][0]["text"] == by_text["choices"][0]["text"]


def test_a_chat_prompt_is_tokenized_as_it_is_answered(engine: Engine) -> None:
    body = {"model": "other", "messages": chat_body()["messages"]}
    answer = post_json(engine.url, "/tokenize", body)
    assert answer.status == 200
    assert answer.body["tokens"] == chat(engine, return_token_ids=True).body["prompt_token_ids"]
    assert answer.body["count"] == len(answer.body["tokens"])


def test_no_model_name_means_the_base_model(engine: Engine) -> None:
    for name in (..., None, ""):
        assert chat(engine, model=name).body["model"] == MODEL


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 5},
        {"unknown_field": 1},
        {"n": None, "temperature": None, "stop": None, "stream": None, "max_tokens": 1},
        {"n": "1", "temperature": "0.5"},
        {"n": 2.0, "temperature": True},
        {"top_p": 0.5, "top_k": 3, "temperature": 1},
        {"top_logprobs": 0},
        {"messages": [{"role": "system", "content": "Be brief."}, *QUESTION]},
        {"messages": [{"role": "robot", "content": "Hello"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]},
        {"messages": [*QUESTION, {"role": "assistant", "content": None}, *QUESTION]},
        {"max_tokens": MAX_MODEL_LEN, "stop": [" ", "e", "a", "i"]},
    ],
)
def test_lenient_requests_are_answered(engine: Engine, fields: dict[str, Any]) -> None:
    answer = chat(engine, **fields)
    assert answer.status == 200, answer.raw
    assert list(answer.body) == list(chat_shape())


# Streams.


def test_a_chat_stream_is_role_then_tokens_then_done(engine: Engine) -> None:
    answer = chat(engine, stream=True)
    assert (answer.status, answer.content_type) == (200, SSE)
    *events, done = answer.events
    assert done == "[DONE]"
    assert [shape(event) for event in events] == [
        role_shape(),
        chat_chunk_shape(),
        chat_chunk_shape(),
        chat_chunk_shape(is_last=True, system_fingerprint=str),
    ]
    assert len({event["id"] for event in events}) == 1
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert {event["model"] for event in events} == {"zero"}


def test_a_chat_stream_ends_with_usage_when_asked(engine: Engine) -> None:
    *events, last, _ = chat(engine, stream=True, stream_options={"include_usage": True}).events
    assert shape(events[-1]) == chat_chunk_shape(is_last=True)
    assert shape(last) == chunk_shape(None, usage=USAGE, system_fingerprint=str)
    assert last["usage"] == {
        **last["usage"],
        "completion_tokens": 3,
        "total_tokens": last["usage"]["prompt_tokens"] + 3,
    }


def test_a_chat_stream_carries_logprobs_and_token_ids(engine: Engine) -> None:
    fields = {"logprobs": True, "top_logprobs": 1, "return_token_ids": True}
    role, *events, _ = chat(engine, stream=True, **fields).events
    whole = chat(engine, **fields).body
    assert shape(role) == role_shape(prompt_ids=[int])
    assert role["prompt_token_ids"] == whole["prompt_token_ids"]
    assert shape(events[0]) == chat_chunk_shape(chat_logprobs_shape(1), [int])
    choices = [event["choices"][0] for event in events]
    streamed = [token for choice in choices for token in choice["token_ids"]]
    assert streamed == whole["choices"][0]["token_ids"]


def test_usage_comes_with_every_chunk_when_asked(engine: Engine) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    *events, _, _ = chat(engine, stream=True, stream_options=options).events
    assert [event["usage"]["completion_tokens"] for event in events] == [0, 1, 2, 3]
    assert shape(events[0]["usage"]) == {**USAGE, "completion_tokens_details": None}
    *events, _, _ = completion(engine, stream=True, stream_options=options).events
    assert [shape(event["usage"]) for event in events] == [USAGE] * 3


def test_a_stream_of_n_choices_starts_with_all_roles(engine: Engine) -> None:
    *events, _ = chat(engine, stream=True, n=2, temperature=1, max_tokens=2).events
    assert [shape(event) for event in events[:2]] == [role_shape()] * 2
    indices = [event["choices"][0]["index"] for event in events]
    assert indices[:2] == [0, 1]
    ended = [e["choices"][0]["index"] for e in events if e["choices"][0]["finish_reason"]]
    assert sorted(ended) == [0, 1]


def test_a_completion_stream_is_tokens_then_done(engine: Engine) -> None:
    *events, done = completion(engine, stream=True).events
    assert done == "[DONE]"
    assert [shape(event) for event in events] == [
        completion_chunk_shape(),
        completion_chunk_shape(),
        completion_chunk_shape(is_last=True, system_fingerprint=str),
    ]


def test_a_completion_stream_gives_the_prompt_ids_once(engine: Engine) -> None:
    fields = {"return_token_ids": True, "stream_options": {"include_usage": True}}
    *events, usage, _ = completion(engine, stream=True, **fields).events
    assert [shape(event) for event in events] == [
        completion_chunk_shape(ids=[int], prompt_ids=[int]),
        completion_chunk_shape(ids=[int]),
        completion_chunk_shape(ids=[int], is_last=True),
    ]
    assert shape(usage) == chunk_shape(None, usage=USAGE, system_fingerprint=str)


@pytest.mark.parametrize("has_stop", [False, True])
def test_a_stream_says_what_the_whole_answer_says(engine: Engine, has_stop: bool) -> None:
    fields = {"stop": text_of(chat(engine, max_tokens=8))[2:9]} if has_stop else {}
    expected = chat(engine, max_tokens=8, **fields).body["choices"][0]
    *events, _ = chat(engine, stream=True, max_tokens=8, **fields).events
    choices = [event["choices"][0] for event in events]
    assert "".join(c["delta"]["content"] for c in choices) == expected["message"]["content"]
    assert choices[-1]["finish_reason"] == expected["finish_reason"]
    assert choices[-1]["stop_reason"] == expected["stop_reason"]


def test_an_error_found_late_is_an_event_of_the_stream(engine: Engine) -> None:
    answer = chat(engine, stream=True, logprobs=True, top_logprobs=50)
    assert (answer.status, answer.content_type) == (200, SSE)
    error, done = answer.events
    assert done == "[DONE]"
    assert error["error"]["type"] == "BadRequestError"
    assert error["error"]["param"] == "logprobs"
    assert error["error"]["code"] == 400


# Log-probabilities and sampling.


def test_logprobs_are_those_of_a_distribution(engine: Engine) -> None:
    body = chat(engine, temperature=1, logprobs=True, top_logprobs=20, max_tokens=6).body
    for token in body["choices"][0]["logprobs"]["content"]:
        top = [one["logprob"] for one in token["top_logprobs"]]
        assert all(math.isfinite(logprob) and logprob <= 0 for logprob in [token["logprob"], *top])
        assert sum(map(math.exp, top)) <= 1 + 1e-3
        assert token["top_logprobs"][0]["token"] == token["token"]


def _top_two(engine: Engine, temperature: float) -> dict[str, float]:
    body = chat(engine, temperature=temperature, logprobs=True, top_logprobs=3, max_tokens=1).body
    top = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return {one["token"]: one["logprob"] for one in top}


def test_logprobs_are_those_that_were_sampled_from(engine: Engine) -> None:
    """Temperature divides the logits, so it divides the difference of two log-probabilities."""
    greedy = _top_two(engine, 0)
    first, second = sorted(greedy, key=lambda token: -greedy[token])[:2]
    gap = greedy[first] - greedy[second]
    for temperature in (1.0, 0.5):
        logprobs = _top_two(engine, temperature)
        if first in logprobs and second in logprobs:
            assert logprobs[first] - logprobs[second] == pytest.approx(gap / temperature, abs=0.1)


def test_greedy_is_repeatable_and_takes_the_likeliest_token(engine: Engine) -> None:
    answers = [chat(engine, logprobs=True, top_logprobs=2).body["choices"][0] for _ in range(2)]
    assert answers[0]["message"] == answers[1]["message"]
    for token in answers[0]["logprobs"]["content"]:
        assert token["logprob"] == max(one["logprob"] for one in token["top_logprobs"])


def test_a_seed_makes_sampling_repeatable(engine: Engine) -> None:
    answers = [text_of(chat(engine, temperature=1, seed=7, max_tokens=6)) for _ in range(2)]
    assert answers[0] == answers[1]


def test_sampling_gives_different_answers(engine: Engine) -> None:
    body = chat(engine, temperature=1.5, n=8, max_tokens=6).body
    assert len({choice["message"]["content"] for choice in body["choices"]}) > 1


# Adapters.


def test_the_zero_adapter_answers_as_the_base_model(engine: Engine) -> None:
    zero, base = (chat(engine, model=name, max_tokens=8, logprobs=True) for name in ("zero", MODEL))
    assert text_of(zero) == text_of(base)
    pairs = zip(*(a.body["choices"][0]["logprobs"]["content"] for a in (zero, base)), strict=True)
    assert all(z["logprob"] == pytest.approx(b["logprob"], abs=0.05) for z, b in pairs)


def test_other_weights_give_other_logprobs(engine: Engine) -> None:
    tops = []
    for name in ("zero", "other"):
        body = chat(engine, model=name, logprobs=True, top_logprobs=5).body
        first = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        tops.append({one["token"]: one["logprob"] for one in first})
    assert tops[0] != tops[1]


def test_models_are_listed_with_their_parent(engine: Engine) -> None:
    answer = post(engine.url, "/v1/models", None, method="GET")
    assert answer.status == 200
    cards = answer.body["data"]
    assert [card["id"] for card in cards] == [MODEL, "zero", "other"]
    assert [card["parent"] for card in cards] == [None, MODEL, MODEL]
    assert cards[0]["max_model_len"] == MAX_MODEL_LEN
    assert cards[1]["root"] == str(engine.zero_dir)
    permission = cards[0].pop("permission")
    assert shape(cards[0]) == {
        "id": str,
        "object": str,
        "created": int,
        "owned_by": str,
        "root": str,
        "parent": None,
        "max_model_len": int,
    }
    assert set(permission[0]) >= {"id", "object", "created", "allow_sampling"}


def test_an_adapter_serves_from_load_to_unload(engine: Engine) -> None:
    loaded = post_json(engine.url, LOAD, {"lora_name": "brief", "lora_path": str(engine.other_dir)})
    assert (loaded.status, loaded.raw) == (
        200,
        b"Success: LoRA adapter 'brief' added successfully.",
    )
    assert chat(engine, model="brief").body["model"] == "brief"
    gone = post_json(engine.url, UNLOAD, {"lora_name": "brief"})
    assert (gone.status, gone.raw) == (
        200,
        b"Success: LoRA adapter 'brief' removed successfully.",
    )
    refused = chat(engine, model="brief")
    assert refused.status == 404
    assert refused.body["error"]["type"] == "NotFoundError"
    assert refused.body["error"]["param"] == "model"


@pytest.mark.parametrize(
    ("damage", "status", "kind"),
    [
        ("no config", 404, "NotFoundError"),
        ("config is not JSON", 500, "InternalServerError"),
        ("weights are not safetensors", 500, "InternalServerError"),
        ("no weights", 500, "InternalServerError"),
        ("rank is too high", 500, "InternalServerError"),
    ],
)
def test_a_damaged_adapter_is_refused_and_the_engine_goes_on(
    engine: Engine, tmp_path: Path, damage: str, status: int, kind: str
) -> None:
    directory = tmp_path / "damaged"
    directory.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (directory / name).write_bytes((engine.zero_dir / name).read_bytes())
    config, weights = directory / "adapter_config.json", directory / "adapter_model.safetensors"
    match damage:
        case "no config":
            config.unlink()
        case "config is not JSON":
            config.write_text("{")
        case "weights are not safetensors":
            weights.write_bytes(b"junk")
        case "no weights":
            weights.unlink()
        case "rank is too high":
            config.write_text(json.dumps({**json.loads(config.read_text()), "r": 64}))
    answer = post_json(engine.url, LOAD, {"lora_name": "damaged", "lora_path": str(directory)})
    assert answer.status == status, answer.raw
    assert answer.body["error"]["type"] == kind
    assert chat(engine, model="damaged").status == 404
    assert chat(engine).status == 200


async def test_loading_while_streams_run_breaks_none(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    async def stream() -> list[Any]:
        body = chat_body(stream=True, max_tokens=24, ignore_eos=True)
        async with client.post(CHAT, json=body) as response:
            return Answer(response.status, None, await response.read()).events

    async def swap(name: str) -> None:
        load = {"lora_name": name, "lora_path": str(engine.other_dir)}
        for path, body in ((LOAD, load), (UNLOAD, {"lora_name": name})):
            async with client.post(path, json=body) as response:
                assert response.status == 200

    alone = await stream()
    *streams, _, _ = await asyncio.gather(*(stream() for _ in range(3)), swap("a"), swap("b"))
    for events in streams:
        assert len(events) == len(alone)
        assert events[-1] == "[DONE]"
        assert {event["model"] for event in events[:-1]} == {"zero"}


async def test_an_adapter_unloaded_in_mid_stream_finishes_the_stream(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    async with client.post(
        LOAD, json={"lora_name": "leaving", "lora_path": str(engine.other_dir)}
    ) as response:
        assert response.status == 200
    body = chat_body(model="leaving", stream=True, max_tokens=24, ignore_eos=True)
    async with client.post(CHAT, json=body) as response:
        begun = await response.content.readuntil(b"\n\n")
        async with client.post(UNLOAD, json={"lora_name": "leaving"}) as unloaded:
            assert unloaded.status == 200
        rest = await response.content.read()
    events = Answer(200, None, begun + rest).events
    assert events[-1] == "[DONE]"
    assert {event["model"] for event in events[:-1]} == {"leaving"}


async def test_a_client_that_leaves_harms_nobody(
    engine: Engine, client: aiohttp.ClientSession
) -> None:
    body = chat_body(stream=True, max_tokens=200, ignore_eos=True)
    for _ in range(3):
        async with client.post(CHAT, json=body) as response:
            await response.content.readuntil(b"\n\n")
            response.close()
    assert (await asyncio.to_thread(chat, engine)).status == 200


# Errors.

LONG = "word " * (2 * MAX_MODEL_LEN)
BAD_CHATS: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"messages": ...}, 400, "Bad Request", "body.messages"),
    ({"messages": None}, 400, "BadRequestError", None),
    ({"messages": "hello"}, 400, "Bad Request", "body.messages"),
    ({"messages": []}, 400, "BadRequestError", None),
    ({"messages": [3]}, 400, "Bad Request", "body.messages"),
    ({"messages": [{"content": "x"}]}, 400, "Bad Request", "body.messages"),
    ({"messages": [{"role": 3, "content": "x"}]}, 400, "Bad Request", "body.messages"),
    ({"messages": [{"role": "user", "content": 3}]}, 400, "Bad Request", "body.messages"),
    ({"messages": [{"role": "user", "content": None}]}, 400, "Bad Request", "body.messages"),
    (
        {"messages": [{"role": "user", "content": [{"type": "foo", "text": "x"}]}]},
        400,
        "BadRequestError",
        None,
    ),
    ({"messages": [{"role": "user", "content": LONG}]}, 400, "BadRequestError", "input_tokens"),
    ({"model": 3}, 400, "Bad Request", "body.model"),
    ({"model": "unknown"}, 404, "NotFoundError", "model"),
    ({"model": "unknown", "stream": True}, 404, "NotFoundError", "model"),
    ({"model": 3, "messages": "hello"}, 400, "Bad Request", "body.messages"),
    ({"temperature": "hot"}, 400, "Bad Request", "body.temperature"),
    ({"temperature": [1]}, 400, "Bad Request", "body.temperature"),
    ({"temperature": -1}, 400, "BadRequestError", "temperature"),
    ({"temperature": -1, "stream": True}, 400, "BadRequestError", "temperature"),
    ({"temperature": 2.5}, 400, "BadRequestError", "temperature"),
    ({"temperature": math.nan}, 400, "BadRequestError", "temperature"),
    ({"temperature": math.inf}, 400, "BadRequestError", "temperature"),
    ({"n": "a"}, 400, "Bad Request", "body.n"),
    ({"n": 1.5}, 400, "Bad Request", "body.n"),
    ({"n": 0}, 400, "BadRequestError", None),
    ({"n": 10**6, "temperature": 1}, 400, "BadRequestError", None),
    ({"n": 4}, 400, "BadRequestError", None),
    ({"max_tokens": "a"}, 400, "Bad Request", "body.max_tokens"),
    ({"max_tokens": 0}, 400, "BadRequestError", "max_tokens"),
    ({"max_tokens": -1}, 400, "BadRequestError", "max_tokens"),
    ({"max_tokens": 10**6}, 400, "BadRequestError", "max_tokens"),
    ({"max_completion_tokens": 0}, 400, "BadRequestError", "max_tokens"),
    ({"min_tokens": 5}, 400, "BadRequestError", None),
    ({"top_p": 0}, 400, "BadRequestError", "top_p"),
    ({"top_k": -5}, 400, "BadRequestError", None),
    ({"presence_penalty": 3}, 400, "BadRequestError", None),
    ({"frequency_penalty": -3}, 400, "BadRequestError", None),
    ({"seed": 2**70}, 400, "Bad Request", "body.seed"),
    ({"stop": 5}, 400, "Bad Request", "body.stop"),
    ({"stop": [""]}, 400, "BadRequestError", None),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "BadRequestError", None),
    ({"stop": ["a", "b", "c", "d", "e"]}, 400, "Bad Request", "body.stop"),
    ({"priority": "low"}, 400, "Bad Request", "body.priority"),
    ({"logprobs": "x"}, 400, "Bad Request", "body.logprobs"),
    ({"top_logprobs": 2}, 400, "BadRequestError", "top_logprobs"),
    ({"logprobs": True, "top_logprobs": -2}, 400, "BadRequestError", "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 50}, 400, "BadRequestError", "logprobs"),
    ({"stream": "x"}, 400, "Bad Request", "body.stream"),
    ({"stream_options": {"include_usage": True}}, 400, "BadRequestError", "stream_options"),
    ({"stream": True, "stream_options": 3}, 400, "Bad Request", "body.stream_options"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "BadRequestError", None),
]
BAD_COMPLETIONS: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"prompt": ...}, 400, "BadRequestError", "prompt"),
    ({"prompt": None}, 400, "BadRequestError", "prompt"),
    ({"prompt": ""}, 400, "BadRequestError", "prompt"),
    ({"prompt": []}, 400, "BadRequestError", None),
    ({"prompt": 5}, 400, "Bad Request", "body.prompt"),
    ({"prompt": {"a": 1}}, 400, "Bad Request", "body.prompt"),
    ({"prompt": [-1]}, 400, "Bad Request", "body.prompt"),
    ({"prompt": [10**7]}, 400, "BadRequestError", None),
    ({"prompt": LONG}, 400, "BadRequestError", "input_tokens"),
    ({"prompt": [5] * (MAX_MODEL_LEN + 1)}, 400, "BadRequestError", "input_tokens"),
    ({"prompt": [5] * MAX_MODEL_LEN}, 400, "BadRequestError", "max_tokens"),
    ({"model": "unknown"}, 404, "NotFoundError", "model"),
    ({"temperature": -1}, 400, "BadRequestError", "temperature"),
    ({"n": 0}, 400, "BadRequestError", None),
    ({"max_tokens": 0}, 400, "BadRequestError", "max_tokens"),
    ({"logprobs": "x"}, 400, "BadRequestError", "logprobs"),
    ({"logprobs": 50}, 400, "BadRequestError", "logprobs"),
    ({"suffix": "x"}, 400, "BadRequestError", "suffix"),
    ({"stream_options": {"include_usage": True}}, 400, "BadRequestError", "stream_options"),
    ({"prompt": "\ud800"}, 400, "BadRequestError", None),
    ({"logprobs": "\ud800"}, 400, "BadRequestError", None),
]
BAD_ADAPTERS: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    (LOAD, {"lora_path": "/nowhere"}, 400, "Bad Request", "body.lora_name"),
    (LOAD, {"lora_name": "x"}, 400, "Bad Request", "body.lora_path"),
    (LOAD, {"lora_name": 3, "lora_path": "/nowhere"}, 400, "Bad Request", "body.lora_name"),
    (LOAD, {"lora_name": "", "lora_path": "/nowhere"}, 400, "InvalidUserInput", None),
    (LOAD, {"lora_name": "zero", "lora_path": "/nowhere"}, 400, "InvalidUserInput", None),
    (LOAD, {"lora_name": MODEL, "lora_path": "/nowhere"}, 400, "InvalidUserInput", None),
    (LOAD, {"lora_name": "x", "lora_path": "/nowhere"}, 404, "NotFoundError", None),
    (UNLOAD, {}, 400, "Bad Request", "body.lora_name"),
    (UNLOAD, {"lora_name": ""}, 400, "InvalidUserInput", None),
    (UNLOAD, {"lora_name": "unknown"}, 404, "NotFoundError", None),
]


def assert_error(answer: Answer, status: int, kind: str, param: str | None) -> None:
    assert (answer.status, answer.content_type) == (status, JSON), answer.raw
    assert list(answer.body) == ["error"]
    error = answer.body["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["code"]) == (kind, status), error
    assert error["message"]
    if param is None:
        assert error["param"] is None, error
    else:  # vLLM goes on into the members of a union, which is its own business
        assert error["param"] == param or error["param"].startswith(f"{param}."), error


@pytest.mark.parametrize(("fields", "status", "kind", "param"), BAD_CHATS)
def test_a_bad_chat_gets_the_error_of_vllm(
    engine: Engine, fields: dict[str, Any], status: int, kind: str, param: str | None
) -> None:
    assert_error(chat(engine, **fields), status, kind, param)


@pytest.mark.parametrize(("fields", "status", "kind", "param"), BAD_COMPLETIONS)
def test_a_bad_completion_gets_the_error_of_vllm(
    engine: Engine, fields: dict[str, Any], status: int, kind: str, param: str | None
) -> None:
    assert_error(completion(engine, **fields), status, kind, param)


@pytest.mark.parametrize(("path", "body", "status", "kind", "param"), BAD_ADAPTERS)
def test_a_bad_adapter_request_gets_the_error_of_vllm(
    engine: Engine, path: str, body: dict[str, Any], status: int, kind: str, param: str | None
) -> None:
    assert_error(post_json(engine.url, path, body), status, kind, param)


def test_a_lone_surrogate_in_stop_is_a_defect_of_vllm(engine: Engine) -> None:
    """Why the gateway refuses it before."""
    assert chat(engine, stop="\ud800").status == 500


@pytest.mark.parametrize(
    ("raw", "content_type", "param"),
    [
        (b'{"model":x}', JSON, "body.9"),
        (b'{"model":', JSON, "body.9"),
        (b"", JSON, "body"),
        (b"null", JSON, "body"),
        (b"[1]", JSON, "body"),
        (b'"text"', JSON, "body"),
        (b"{}", JSON, "body.messages"),
        (b"{}", "text/plain", None),
        (b"{}", None, None),
    ],
)
def test_a_body_that_is_no_request_gets_the_error_of_vllm(
    engine: Engine, raw: bytes, content_type: str | None, param: str | None
) -> None:
    assert_error(post(engine.url, CHAT, raw, content_type), 400, "Bad Request", param)


def test_a_body_that_is_not_text_is_refused(engine: Engine) -> None:
    answer = post(engine.url, CHAT, b'{"model":"\xff"}')
    assert (answer.status, answer.body) == (400, {"detail": "There was an error parsing the body"})


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", CHAT, 405, "Method Not Allowed"),
        ("POST", "/v1/models", 405, "Method Not Allowed"),
        ("GET", LOAD, 405, "Method Not Allowed"),
    ],
)
def test_an_unknown_route_or_method_is_refused(
    engine: Engine, method: str, path: str, status: int, detail: str
) -> None:
    answer = post(engine.url, path, None, method=method)
    assert (answer.status, answer.body) == (status, {"detail": detail})


def test_health_and_version_are_answered(engine: Engine) -> None:
    health = post(engine.url, "/health", None, method="GET")
    assert (health.status, health.raw) == (200, b"")
    version = post(engine.url, "/version", None, method="GET").body
    assert shape(version) == {"version": str}
