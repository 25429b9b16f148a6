"""Requests and tokens in a minute, and requests at once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve import minute as minute_module
from empo_serve.minute import MINUTE_S, Minute
from empo_serve.server import quotas
from empo_serve.server.quotas import OverLimit, Quota, TokenCount, hold

gaps = st.floats(0, 70, allow_nan=False) | st.floats(0, 0.2, allow_nan=False)


@given(st.integers(1, 6), st.lists(gaps, max_size=60))
def test_no_minute_holds_more_requests_than_its_limit(limit: int, waits: list[float]) -> None:
    minute, now, admitted = Minute(limit), 1000.0, []
    for wait in waits:
        now += wait
        if minute.wait_s(now) == 0.0:
            minute.add(1, now)
            admitted.append(now)
    for first in admitted:
        assert sum(first <= at < first + MINUTE_S - 1e-6 for at in admitted) <= limit


@given(st.integers(1, 6), st.lists(gaps, min_size=1, max_size=60))
def test_the_time_to_wait_is_honest(limit: int, waits: list[float]) -> None:
    """Who waits that long is let in, and who comes a little sooner is not."""
    minute, now = Minute(limit), 1000.0
    for wait in waits:
        now += wait
        needed = minute.wait_s(now)
        assert 0 <= needed <= MINUTE_S
        if needed > 1e-6:
            assert minute.wait_s(now + needed * 0.999 - 1e-7) > 0
            now += math.ceil(needed)
        assert minute.wait_s(now) == 0.0
        minute.add(1, now)


@given(st.integers(1, 1000), st.lists(st.tuples(gaps, st.integers(0, 2000)), max_size=60))
def test_no_request_begins_while_the_last_minute_used_all_tokens(
    limit: int, uses: list[tuple[float, int]]
) -> None:
    minute, now, used = Minute(limit), 1000.0, []
    for wait, amount in uses:
        now += wait
        recent = sum(n for at, n in used if now - at < MINUTE_S - 1e-6)
        if minute.wait_s(now) == 0.0:
            assert recent < limit
            minute.add(amount, now)
            used.append((now, amount))


def test_uses_that_are_remembered_as_one_leave_with_the_later_one() -> None:
    minute = Minute(2)
    minute.add(1, 1000.0)
    minute.add(1, 1000.09)
    assert minute.wait_s(1060.0) > 0
    assert minute.wait_s(1060.1) == 0


def test_the_memory_of_a_minute_is_bounded() -> None:
    minute = Minute(10**9)
    for number in range(100_000):
        minute.add(1, 1000.0 + number * 0.01)
        minute.wait_s(1000.0 + number * 0.01)
    assert len(minute._slots) <= MINUTE_S / minute_module._SLOT_S + 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(quotas.time, "monotonic", lambda: now[0])
    return now


def test_requests_at_once_are_limited_and_given_back(clock: list[float]) -> None:
    quota = Quota(max_concurrent=2)
    with hold(quota):
        with hold(quota):
            with pytest.raises(OverLimit) as caught, hold(quota):
                pass
            assert (caught.value.limit, caught.value.retry_after) == ("max_concurrent", 1)
        with pytest.raises(ValueError, match="the answer failed"), hold(quota):
            raise ValueError("the answer failed")
        with hold(quota):
            pass


def test_a_request_that_one_quota_refuses_counts_in_none(clock: list[float]) -> None:
    key, everybody = Quota(requests_per_minute=2), Quota(requests_per_minute=1)
    with hold(key, everybody):
        pass
    for _ in range(3):
        with pytest.raises(OverLimit) as caught, hold(key, everybody):
            pass
        assert (caught.value.limit, caught.value.retry_after) == ("requests_per_minute", 60)
    with hold(key):
        pass
    clock[0] += 60
    with hold(key, everybody):
        pass


def test_tokens_are_counted_after_the_answer_and_make_the_next_request_wait(
    clock: list[float],
) -> None:
    quota = Quota(tokens_per_minute=100)
    with hold(quota) as tokens:
        assert tokens is not None
        tokens.answer(b'{"choices":[],"usage":{"prompt_tokens":20,"total_tokens":150}}')
    clock[0] += 15.5
    with pytest.raises(OverLimit) as caught, hold(quota):
        pass
    assert (caught.value.limit, caught.value.retry_after) == ("tokens_per_minute", 45)
    clock[0] += 45
    with hold(quota):
        pass


def test_usage_counts_where_it_is_and_events_and_bytes_where_it_is_not() -> None:
    whole = TokenCount()
    whole.request_body(4000)
    # Generated text cannot look like usage: its quotes are escaped.
    whole.answer(
        b'{"choices":[{"text":"\\"usage\\":{\\"total_tokens\\": 9"}],'
        b'"usage":{"prompt_tokens":5,"total_tokens":12,"completion_tokens":7}}'
    )
    assert whole.total == 12

    streamed = TokenCount()
    streamed.request_body(40)
    streamed.answer(b'data: {"usage":null}\n\ndata: {"usage":null}\n\n')
    assert streamed.total == 12
    streamed.answer(b'data: {"choices":[],"usage":{"prompt_tokens":5,"total_tokens":7}}\n\n')
    streamed.answer(b"data: [DONE]\n\n")
    assert streamed.total == 7
    streamed.add(100)
    assert streamed.total == 107
