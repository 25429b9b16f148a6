"""Which prompt starts are counted, kept and used for warming."""

from __future__ import annotations

from typing import Any

from empo_serve.pipeline import prefixes
from empo_serve.pipeline.prefixes import Prefixes
from empo_serve.types import Query, UserRequest

LONG = "You are a careful assistant. " * 10


def request(
    *messages: tuple[str, str], not_learned: str | None = None, route: str = "chat", **fields: Any
) -> UserRequest:
    body = {"messages": [{"role": role, "content": text} for role, text in messages], **fields}
    query = Query("q-1", route, {}, "", 0.0)
    return UserRequest(route, body, False, 1, None, query, not_learned)


def test_a_system_prompt_counts_from_its_second_request_on() -> None:
    counter = Prefixes()
    counter.count(request(("system", LONG), ("user", "one")))
    assert counter.top(8) == []
    counter.count(request(("system", LONG), ("user", "two"), ("assistant", "x"), ("user", "y")))
    assert counter.top(8) == [{"messages": [{"role": "system", "content": LONG}]}]


def test_what_the_template_puts_in_front_belongs_to_the_start() -> None:
    counter = Prefixes()
    tools = [{"type": "function", "function": {"name": "f" * 200}}]
    for text in ("one", "two"):
        counter.count(request(("user", text), tools=tools))
        counter.count(request(("system", LONG), ("developer", "more"), ("user", text)))
        counter.count(request(("system", LONG), ("user", text), temperature=0.1 * len(text)))
    assert {"messages": [], "tools": tools} in counter.top(8)
    assert {len(start["messages"]) for start in counter.top(8)} == {0, 1, 2}


def test_text_of_those_who_opt_out_short_starts_and_completions_are_not_kept() -> None:
    counter = Prefixes()
    for _ in range(3):
        counter.count(request(("system", LONG), ("user", "x"), not_learned="opted_out"))
        counter.count(request(("system", LONG), ("user", "x"), not_learned="privacy"))
        counter.count(request(("system", "short"), ("user", "x")))
        counter.count(request(("user", LONG)))
        counter.count(request(("system", LONG), route="completions"))
        counter.count(request(("system", "x" * 300_000)))
    assert counter._prefixes == {}


def test_strange_bodies_are_passed_over() -> None:
    counter = Prefixes()
    for messages in (None, "hi", [], [3], [{"role": 3}], [{}]):
        strange = request()
        strange.body["messages"] = messages
        counter.count(strange)
    assert counter._prefixes == {}


def test_the_frequent_come_first_and_what_was_frequent_long_ago_fades() -> None:
    now = 0.0
    counter = Prefixes(clock=lambda: now)
    for _ in range(10):
        counter.count(request(("system", LONG + "old")))
    for _ in range(3):
        counter.count(request(("system", LONG + "new")))
    assert [_name(start) for start in counter.top(2)] == ["old", "new"]
    now = 10 * prefixes._HALF_LIFE_S
    for _ in range(2):
        counter.count(request(("system", LONG + "new")))
    assert [_name(start) for start in counter.top(1)] == ["new"]


def test_the_number_and_the_size_of_what_is_kept_are_bounded() -> None:
    counter = Prefixes()
    for _ in range(3):
        counter.count(request(("system", LONG + "kept")))
    for number in range(5000):
        counter.count(request(("system", f"{LONG} {number}")))
    assert len(counter._prefixes) <= prefixes._MAX_ENTRIES
    for number in range(100):
        counter.count(request(("system", f"{number}" + "x" * 200_000)))
        assert counter._num_bytes <= prefixes._MAX_TOTAL_BYTES
    assert [_name(start) for start in counter.top(8)] == ["kept"]
    assert counter._num_bytes == sum(len(p.body) for p in counter._prefixes.values())


def _name(start: dict[str, Any]) -> str:
    return str(start["messages"][0]["content"]).removeprefix(LONG)
