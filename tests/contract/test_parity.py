"""Clients cannot tell the gateway from vLLM: the same request to both, compared byte by byte.

What differs from one request to the next is taken out first: ids, times, and the model's name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from adapter_files import write_model
from engines import fake_command, running, vllm_command
from openai_http import Answer, post
from parity_requests import CASES, DIFFERENT, MODEL, QUESTION, SCHEMA, WEATHER, Case
from pydantic import BaseModel
from serving import Served, free_port

# As long as the engine's name for it, because errors tell positions.
PUBLIC = "the-public-model"
# What makes vLLM's answers richer: tool calls are parsed out of the text.
RICH = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
CHANGING = re.compile(
    rb'(?<="id":")(chatcmpl|cmpl)-[0-9a-f-]+|(?<="created":)[0-9]+|'
    rb"chatcmpl-tool-[0-9a-f]+|(?<=call_)[0-9a-f]{8,}"
)


@dataclass(frozen=True)
class Ends:
    """An engine, the gateway before it, and the name by which the gateway asks the engine."""

    engine: str
    gateway: str
    engine_name: str
    is_real: bool


@pytest.fixture(
    scope="module",
    params=["fake", pytest.param("vllm", marks=[pytest.mark.vllm, pytest.mark.timeout(600)])],
)
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ends]:
    folder, port = tmp_path_factory.mktemp("parity"), free_port()
    if request.param == "fake":
        model = write_model(folder / "model")
        command, env = fake_command(port), dict[str, str]()
    else:
        model = request.getfixturevalue("demo_model_dir")
        command, env = vllm_command(port, model, *RICH)
    with running(command, env, port, folder / "engine.log") as engine:
        server = Served(
            folder / "data",
            *("engine.kind=attached", f'engine.urls=["{engine}"]', f"model.name={PUBLIC}"),
            *(f"model.path={model}", "train.rank=2", "train.enabled=false"),
            *("semantics.equivalence=rules", "sampling.fraction=0"),
        ).wait_ready()
        try:
            _, adapters = server.get("/admin/v1/adapters", admin=True)
            name = adapters["adapters"][0]["engine_name"]
            yield Ends(engine, server.url, name, is_real=request.param == "vllm")
            assert server.stop() == 0
            assert "Traceback" not in server.log.read_text(), server.log.read_text()
        finally:
            server.process.kill()
            server.process.wait()


def ask(url: str, name: str, case: Case, raw: bytes) -> Answer:
    for encoding in ("utf-8", "utf-16-le"):
        raw = raw.replace(MODEL.encode(encoding), name.encode(encoding))
    return post(url, case.path, raw, case.content_type)


def direct(ends: Ends, case: Case) -> Answer:
    """The engine's own answer, under the public name."""
    raw = case.raw if case.direct is None else case.direct
    answer = ask(ends.engine, ends.engine_name, case, raw)
    name, public = ends.engine_name.encode(), PUBLIC.encode()
    return Answer(answer.status, answer.content_type, answer.raw.replace(name, public))


def comparable(answer: Answer) -> tuple[int, str | None, list[bytes]]:
    """Status, type, and the events of a stream or the one body.

    Each choice's events in their order: which choice comes first is up to the engine's steps.
    """
    events = CHANGING.sub(b"*", answer.raw).split(b"\n\n")
    return answer.status, answer.content_type, sorted(events, key=choice_index)


def choice_index(event: bytes) -> int:
    """Usage and [DONE], which have no choice, come last."""
    found = re.search(rb'"index":(\d+)', event)
    return int(found[1]) if found else sys.maxsize


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_gateway_answers_as_the_engine_does(ends: Ends, case: Case) -> None:
    direct(ends, case)  # so that both find the prompt in the prefix cache
    # vLLM puts several tokens into one event when it is behind with sending.
    for _ in range(3 if ends.is_real and b'"stream"' in case.raw else 1):
        expected = direct(ends, case)
        answer = ask(ends.gateway, PUBLIC, case, case.raw)
        if comparable(answer) == comparable(expected):
            break
    assert comparable(answer) == comparable(expected)
    assert b"empo-" not in answer.raw.replace(b"empo-1-v0", b"")


@pytest.mark.parametrize(
    ("case", "status", "reason"), DIFFERENT, ids=[case.name for case, _, _ in DIFFERENT]
)
def test_the_gateway_differs_where_it_says_so(
    ends: Ends, case: Case, status: int, reason: str
) -> None:
    answer = ask(ends.gateway, PUBLIC, case, case.raw)
    assert answer.status == status, answer
    assert answer.body["error"].keys() == {"message", "type", "param", "code"}
    assert comparable(answer) != comparable(direct(ends, case)), f"no longer so: {reason}"


# The same through the OpenAI SDK: its objects and its exceptions.


class Place(BaseModel):
    city: str


Call = Callable[[openai.OpenAI, str], Any]
BASE: dict[str, Any] = {"messages": QUESTION, "temperature": 0, "max_tokens": 24}
CALLS: dict[str, Call] = {
    "chat": lambda c, m: c.chat.completions.create(model=m, **BASE),
    "stream": lambda c, m: list(c.chat.completions.create(model=m, stream=True, **BASE)),
    "tools": lambda c, m: c.chat.completions.create(
        model=m, tools=[WEATHER], tool_choice="required", **BASE
    ),
    "parse": lambda c, m: c.chat.completions.parse(model=m, response_format=Place, **BASE),
    "extra body": lambda c, m: c.chat.completions.create(
        model=m, extra_body={"structured_outputs": {"json": SCHEMA}}, **BASE
    ),
    "raw": lambda c, m: c.chat.completions.with_raw_response.create(model=m, **BASE).text,
    "completion": lambda c, m: c.completions.create(model=m, prompt="One, two,", temperature=0),
    "completions, streamed": lambda c, m: sorted(
        c.completions.create(model=m, prompt=["1, 2,", "A, B,"], temperature=0, stream=True),
        key=lambda chunk: chunk.choices[0].index,
    ),
    "bad value": lambda c, m: c.chat.completions.create(model=m, **BASE | {"temperature": 9}),
    "bad type": lambda c, m: c.chat.completions.create(model=m, **BASE | {"messages": "x"}),
    "bad stream": lambda c, m: list(
        c.chat.completions.create(model=m, stream=True, logprobs=True, top_logprobs=30, **BASE)
    ),
    "too long": lambda c, m: c.completions.create(model=m, prompt="word " * 3000),
    "unknown model": lambda c, m: c.completions.create(model="no-such-model", prompt="x"),
}


def outcome(call: Call, url: str, name: str) -> str:
    """What a program sees of a call: the objects, or the exception."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        try:
            result = repr(call(client, name))
        except openai.APIError as e:
            result = f"{type(e)} {e.message} {e.body} {e.code} {e.param} {e.type}"
    result = re.sub(r"(id='|call_|created[=:\"]+|chatcmpl-tool-)[0-9a-z-]+", "*", result)
    return re.sub(r'"id":"[^"]+"', "*", result)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_the_openai_client_sees_no_difference(ends: Ends, call: Call) -> None:
    outcome(call, ends.engine, ends.engine_name)
    expected = outcome(call, ends.engine, ends.engine_name)
    # The engine's own name is in the list of what there is.
    expected = expected.replace(ends.engine_name, PUBLIC).replace(
        "aliases: base", f"aliases: {PUBLIC}"
    )
    assert outcome(call, ends.gateway, PUBLIC) == expected
