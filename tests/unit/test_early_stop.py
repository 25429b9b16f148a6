"""A group is given up early only when the band would reject it anyway."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.buffer.band import decide
from empo_serve.buffer.early_stop import NEW_ANSWER, NO_ANSWER, EarlyStop
from empo_serve.config import BandSection
from empo_serve.types import BandDecision

Group = tuple[list[int], list[str]]  # semantic ids, answers

BANDS = st.builds(
    BandSection,
    low=st.sampled_from([0.0, 0.15, 0.2, 0.4]),
    high=st.sampled_from([0.45, 0.7, 0.9, 1.0]),
    min_largest_cluster=st.sampled_from([0.0, 0.375, 0.5, 0.8]),
)


def group(sizes: tuple[int, ...], num_answerless: int = 0) -> Group:
    ids = [i for i, size in enumerate(sizes) for _ in range(size)]
    ids += range(len(sizes), len(sizes) + num_answerless)
    return ids, ["a"] * sum(sizes) + [""] * num_answerless


def one_more(ids: list[int], answers: list[str]) -> Iterator[tuple[float, Group]]:
    """Every way in which the next sample can fall, with its weight in the predictive."""
    new = -len(ids) - 1  # a label that is not taken
    answered = {i for i, answer in zip(ids, answers, strict=True) if answer}
    for i in answered:
        yield ids.count(i), ([*ids, i], [*answers, "a"])
    yield NEW_ANSWER, ([*ids, new], [*answers, "a"])
    yield NO_ANSWER + answers.count(""), ([*ids, new], [*answers, ""])


def chance(ids: list[int], answers: list[str], total: int, band: BandSection) -> float:
    """Probability that the whole group is admitted, by walking every completion one by one."""
    if len(ids) == total:
        return float(decide(ids, answers, band) is BandDecision.ADMITTED)
    ways = list(one_more(ids, answers))
    return sum(w * chance(*g, total, band) for w, g in ways) / sum(w for w, _ in ways)


@st.composite
def unfinished(draw: st.DrawFn) -> tuple[Group, int]:
    """A group with at most four samples missing, and how many it is to have."""
    total = draw(st.integers(3, 8))
    num = draw(st.integers(max(2, total - 4), total - 1))
    ids = draw(st.lists(st.integers(0, 3), min_size=num, max_size=num))
    answers = ["a"] * num
    for i in range(num):
        if draw(st.integers(0, 3)) == 0:  # an answerless sample is a cluster of its own
            ids[i], answers[i] = 100 + i, ""
    return (ids, answers), total


@given(unfinished(), BANDS)
def test_a_group_that_could_still_be_admitted_is_never_given_up(
    case: tuple[Group, int], band: BandSection
) -> None:
    (ids, answers), total = case
    if EarlyStop(band, total, risk=0).is_hopeless(ids, answers):
        assert chance(ids, answers, total, band) == 0.0


@given(unfinished(), BANDS, st.sampled_from([0.01, 0.1, 0.3]))
def test_with_a_risk_it_is_given_up_when_its_chance_is_no_larger(
    case: tuple[Group, int], band: BandSection, risk: float
) -> None:
    (ids, answers), total = case
    is_admitted_so_far = decide(ids, answers, band) is BandDecision.ADMITTED
    expected = chance(ids, answers, total, band) <= risk + 1e-12 and not is_admitted_so_far
    assert EarlyStop(band, total, risk + 2e-12).is_hopeless(ids, answers) == expected


def partitions(num: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Every way to write `num` as a sum, none of the parts above `largest`."""
    if num == 0:
        yield ()
    for size in range(min(num, largest), 0, -1):
        for rest in partitions(num - size, size):
            yield size, *rest


def test_with_the_default_band_every_hopeless_group_of_eight_is_given_up() -> None:
    band = BandSection()
    stop = EarlyStop(band, 8, risk=0)
    num_hopeless = 0
    for num, num_answerless in itertools.product(range(3, 8), range(8)):
        for sizes in partitions(num - num_answerless, num):
            ids, answers = group(sizes, num_answerless)
            is_hopeless = chance(ids, answers, 8, band) == 0.0
            assert stop.is_hopeless(ids, answers) == is_hopeless, (sizes, num_answerless)
            num_hopeless += is_hopeless
    assert num_hopeless == 26


@pytest.mark.parametrize(
    ("sizes", "num_answerless", "expected"),
    [
        ((1, 1, 1, 1, 1, 1), 0, True),  # at best 3+1+1+1+1+1: above the band
        ((1, 1, 1, 1, 1), 0, False),  # 4+1+1+1+1 is in it
        ((), 5, True),  # three that agree, of eight, are above the band
        ((7,), 0, False),  # 7+1 is in it
        ((4, 3), 0, False),
    ],
)
def test_groups_of_eight(sizes: tuple[int, ...], num_answerless: int, expected: bool) -> None:
    assert EarlyStop(BandSection(), 8, 0).is_hopeless(*group(sizes, num_answerless)) == expected


def test_agreement_is_given_up_where_a_lone_dissenter_would_be_below_the_band() -> None:
    stop = EarlyStop(BandSection(low=0.2), 8, 0)
    assert stop.is_hopeless(*group((7,)))
    assert not stop.is_hopeless(*group((6,)))  # 6+2 would be in it


def test_a_group_that_is_admitted_so_far_is_never_cut_short() -> None:
    # 3+1 lies in this band, and no completion to eight does.
    band = BandSection(low=0.4, high=0.41, min_largest_cluster=0.75)
    ids, answers = group((3, 1))
    assert decide(ids, answers, band) is BandDecision.ADMITTED
    assert chance(ids, answers, 8, band) == 0.0
    assert not EarlyStop(band, 8, risk=0.1).is_hopeless(ids, answers)


def test_samples_are_drawn_in_quarters_once_a_group_can_be_given_up_at_all() -> None:
    assert EarlyStop(BandSection(), 8, risk=0).rounds == (6, 8)
    assert EarlyStop(BandSection(), 8, risk=0.05).rounds == (4, 6, 8)
    assert EarlyStop(BandSection(), 16, risk=0).rounds == (12, 16)
    assert EarlyStop(BandSection(), 2, risk=0).rounds == (2,)
    everything = BandSection(low=0, high=1, min_largest_cluster=0)
    assert EarlyStop(everything, 8, risk=0).rounds == (8,)


def test_the_largest_group_is_decided_at_once() -> None:
    stop = EarlyStop(BandSection(), 64, risk=0)
    assert stop.is_hopeless(range(60), ["a"] * 60)
    assert not stop.is_hopeless([0] * 40, ["a"] * 40)
