"""The sequential test keeps its level at every look; evidence on a canary ends it the right way."""

from __future__ import annotations

import json
import random

import pytest

from empo_serve.adapters.canary import Evidence, agreements
from empo_serve.adapters.sequential import MeanTest
from empo_serve.config import RolloutSection

SECTION = RolloutSection()


def first_look_above(rng: random.Random, mean: float, limit: float, looks: int) -> int | None:
    """When a test of draws of 0 and 1 first says that their mean is above the limit."""
    test = MeanTest(limit)
    for look in range(1, looks + 1):
        test.add(float(rng.random() < mean))
        if test.is_above(0.05):
            return look
    return None


def test_looking_all_the_time_does_not_raise_the_false_alarms() -> None:
    rng = random.Random(0)
    alarms = [first_look_above(rng, 0.5, 0.5, 300) for _ in range(400)]
    assert sum(alarm is not None for alarm in alarms) / 400 <= 0.05


def test_a_true_difference_is_found_soon() -> None:
    rng = random.Random(1)
    looks = [first_look_above(rng, 0.8, 0.5, 300) for _ in range(100)]
    assert all(look is not None for look in looks)
    assert sorted(look or 300 for look in looks)[50] < 40


def test_a_test_can_be_stored_and_gone_on_with() -> None:
    whole, parts = MeanTest(0.6), MeanTest(0.6)
    rng = random.Random(2)
    for _ in range(50):
        x = rng.random()
        whole.add(x)
        stored = {name: getattr(parts, name) for name in MeanTest.__slots__}
        parts = MeanTest(**json.loads(json.dumps(stored)))
        parts.add(x)
    assert parts == whole


def evidence() -> Evidence:
    return Evidence.new(SECTION, 0.0)


def compare(e: Evidence, rng: random.Random, worse: float = 0.0, length: float = 5.0) -> None:
    live, canary = (rng.choice((0.0, 0.4, 0.5, 0.75)) for _ in range(2))
    agree_live, agree_canary = (rng.choice((1.0, 0.7, 0.5)) for _ in range(2))
    e.compare(
        (min(canary + worse, 1.0), live),
        (max(agree_canary - worse, 0.0), agree_live),
        (length, 5.0),
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_canary_like_the_live_version_is_found_to_be_safe(seed: int) -> None:
    e, rng = evidence(), random.Random(seed)
    for number in range(400):
        compare(e, rng)
        e.request(is_canary=number % 5 == 0, failed=False)
        e.request(is_canary=False, failed=False)
        assert e.harm is None
        if e.is_safe:
            break
    assert not e.is_safe  # its errors are not known yet: a fifth of the requests is too few
    for _ in range(200):
        e.request(is_canary=True, failed=False)
        e.request(is_canary=False, failed=False)
    assert e.is_safe


@pytest.mark.parametrize("what", ["errors", "entropy", "length", "feedback"])
def test_each_kind_of_harm_is_found_and_named(what: str) -> None:
    e, rng = evidence(), random.Random(3)
    for _ in range(60):
        compare(
            e, rng, worse=0.6 if what == "entropy" else 0.0, length=60.0 if what == "length" else 5
        )
        for is_canary in (True, False):
            e.request(is_canary, failed=what == "errors" and is_canary)
            e.rating(is_canary, -1.0 if what == "feedback" and is_canary else 1.0)
    assert e.harm is not None
    assert e.harm.startswith(("agreement", what) if what == "entropy" else what)
    assert not e.is_safe


def test_failures_of_both_versions_are_no_harm_of_the_canary() -> None:
    e = evidence()
    for _ in range(100):
        for is_canary in (True, False):
            e.request(is_canary, failed=True)
    assert e.harm is None


def test_evidence_survives_the_database() -> None:
    e, rng = evidence(), random.Random(4)
    for _ in range(20):
        compare(e, rng)
        for is_canary in (True, False):
            e.request(is_canary, failed=False)
    stored = json.loads(json.dumps(e.as_dict()))
    again = Evidence.from_dict(stored)
    assert again.as_dict() == e.as_dict()
    assert stored["measures"]["entropy"]["mean_live"] == pytest.approx(
        e.measures["entropy"].live / 20
    )


def test_agreement_is_equal_for_equal_distributions_and_lower_for_another_answer() -> None:
    rng = random.Random(5)
    pairs = [
        agreements([rng.randrange(3) for _ in range(4)], [rng.randrange(3) for _ in range(4)])
        for _ in range(3000)
    ]
    canary, live = (sum(p[i] for p in pairs) / 3000 for i in (0, 1))
    assert canary == pytest.approx(live, abs=0.02)
    assert agreements([1, 1], [0, 0]) == (0.0, 1.0)
    assert agreements([0, 0], [0, 0, 1]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
