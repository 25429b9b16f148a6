"""One line that says whether it is learning, and never more than is known."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from empo_serve.pipeline.progress import (
    Change,
    LearningFacts,
    change_by_gate,
    change_in_traffic,
    summarise,
    surest,
)
from empo_serve.types import BandDecision

ADMITTED, CERTAIN, UNCERTAIN = (
    BandDecision.ADMITTED,
    BandDecision.TOO_CERTAIN,
    BandDecision.TOO_UNCERTAIN,
)
FACTS = LearningFacts(
    why_off=None,
    is_paused=False,
    paused_by={},
    pinned=None,
    training=None,
    num_pending=3,
    groups_per_update=8,
    recent={ADMITTED: 5, CERTAIN: 4},
    num_left_out=0,
    live="v5",
    num_versions=5,
    num_groups=40,
    change=Change(-0.34, 0.04, "80 comparisons of the gate"),
)


def line(**fields: Any) -> str:
    summary = summarise(replace(FACTS, **fields))
    assert summary.line.startswith(summary.state)
    return summary.line


def test_it_learns_says_by_how_much_and_how_sure_that_is() -> None:
    assert line() == (
        "learning: 3 of 8 groups wait; semantic entropy fell from v0 to v5: -0.34 of ln G (95 % "
        "interval -0.42 to -0.26, 80 comparisons of the gate), 5 versions from 40 groups"
    )


def test_what_may_be_chance_is_called_that() -> None:
    assert "did not change beyond chance" in line(change=Change(-0.02, 0.02, "x"))
    assert "ROSE" in line(change=Change(0.2, 0.02, "x"))
    assert "too few answers to tell" in line(change=None)


def test_before_the_first_version() -> None:
    text = line(num_versions=0, num_groups=0, live="v0", change=None)
    assert text == "learning: 3 of 8 groups wait; no new version yet"
    assert "update 7 is training" in line(training=7)


def test_a_model_with_nothing_to_gain_is_told_so_plainly() -> None:
    idle = {"num_versions": 0, "change": None, "num_pending": 0}
    assert line(recent={CERTAIN: 118, UNCERTAIN: 2}, **idle) == (
        "idle: no group is in the band (120 sampled in the last hour: 118 unanimous or nearly so, "
        "2 too uncertain), so there is nothing to gain from this traffic: the model is sure already"
    )
    assert "the model has no consensus" in line(recent={UNCERTAIN: 40, CERTAIN: 1}, **idle)
    mixed = line(recent={UNCERTAIN: 20, CERTAIN: 20, BandDecision.NO_SIGNAL: 3}, **idle)
    assert mixed.endswith("20 too uncertain, 3 without a usable consensus)")
    assert line(recent={}, **idle) == "idle: no query was sampled in the last hour"


def test_a_few_old_groups_that_wait_do_not_make_it_learn() -> None:
    assert line(recent={CERTAIN: 9}).startswith("idle: no group is in the band")
    assert line(recent={CERTAIN: 9}, num_pending=8).startswith("learning: 8 of 8")


def test_admitted_groups_that_are_left_out_are_accounted_for() -> None:
    assert "3 of 8 groups wait (5 of the last hour are left out" in line(num_left_out=5)


def test_idle_or_paused_it_still_says_what_was_reached() -> None:
    for fields in ({"recent": {CERTAIN: 9}}, {"is_paused": True}, {"pinned": "v3"}):
        assert "fell from v0 to v5" in line(**fields)


def test_who_paused_it() -> None:
    assert line(is_paused=True).startswith("paused by operator; semantic entropy")
    one = line(is_paused=True, paused_by={"kl": "too far"})
    assert one.startswith("paused by guard kl: too far; ")
    two = line(is_paused=True, paused_by={"kl": "too far", "updates": "too many"})
    assert two.startswith("paused by guard kl (and by updates): too far; ")
    assert line(pinned="v3").startswith("pinned: v3 answers, and nothing is trained")
    assert line(why_off="train.enabled").startswith("off: train.enabled")


def verdict(candidate: float, parent: float, bound: float | None, **more: Any) -> dict[str, Any]:
    check = {"name": "less_uncertain", "candidate": candidate, "parent": parent, "bound": bound}
    return {"confidence": 0.9, "checks": [{"name": "other"}, check | {"num": 16}]} | more


def test_the_gates_comparisons_add_up_with_their_errors() -> None:
    change = change_by_gate([verdict(0.5, 0.6, -0.1 + 1.2816 * 0.03)] * 4)
    assert change is not None
    assert change.mean == pytest.approx(-0.4)
    assert change.error == pytest.approx(0.06, rel=1e-3)
    assert change.seen_on == "64 comparisons of the gate"


@pytest.mark.parametrize("broken", [{}, verdict(0, 0, None), verdict(0.5, 0.6, 0.1, confidence=0)])
def test_a_version_that_was_not_compared_leaves_no_sum(broken: dict[str, Any]) -> None:
    assert change_by_gate([verdict(0.5, 0.6, 0.0), broken]) is None
    assert change_by_gate([]) is None


def test_traffic_before_and_after() -> None:
    rng = random.Random(0)
    before, after = ([rng.gauss(mean, 0.2) for _ in range(200)] for mean in (0.6, 0.3))
    change = change_in_traffic(before, after)
    assert change is not None
    low, high = change.interval
    assert low < -0.3 < high < 0
    assert change_in_traffic(before[:7], after) is None


def test_of_two_estimates_the_surer_one_is_told() -> None:
    noisy, sure = Change(0.45, 0.44, "the gate"), Change(-0.3, 0.05, "the traffic")
    assert surest(noisy, sure) is surest(sure, noisy) is surest(None, sure) is sure
    assert surest(None, None) is None
