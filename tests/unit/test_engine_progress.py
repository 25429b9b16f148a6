"""When an engine is given up: a clock turned by hand, and every kind of sign of life."""

from __future__ import annotations

from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from empo_serve.engine.progress import COMPUTING_FACTOR, Progress

PATIENCE_S = 60.0
GAP_S = 14.0

gaps = st.floats(0.1, GAP_S)


def look_after(
    progress: Progress,
    clock: float,
    *,
    moved: bool = False,
    waited_for: bool = True,
    computing: bool = False,
) -> None:
    progress.look(clock, moved=moved, waited_for=waited_for, computing=computing)


@given(st.lists(st.tuples(gaps, st.booleans()), max_size=200))
def test_an_engine_that_moves_in_time_is_never_given_up(looks: list[tuple[float, bool]]) -> None:
    """It is waited for all the time, and moves at the latest when its patience would be over."""
    progress, clock, moved_at = Progress(PATIENCE_S, GAP_S), 0.0, 0.0
    look_after(progress, clock)
    for gap, moves in looks:
        clock += gap
        has_to_move = clock + GAP_S - moved_at >= PATIENCE_S
        look_after(progress, clock, moved=moves or has_to_move)
        if moves or has_to_move:
            moved_at = clock
        assert not progress.is_stalled


@given(st.lists(st.tuples(gaps, st.booleans(), st.booleans()), max_size=200))
def test_an_engine_that_nobody_waits_for_is_never_given_up(
    looks: list[tuple[float, bool, bool]],
) -> None:
    progress, clock = Progress(PATIENCE_S, GAP_S), 0.0
    for gap, moved, computing in looks:
        clock += gap
        look_after(progress, clock, moved=moved, waited_for=False, computing=computing)
        assert not progress.is_stalled


@given(
    before=st.lists(st.tuples(gaps, st.booleans(), st.booleans(), st.booleans()), max_size=50),
    after=st.lists(gaps, min_size=1, max_size=10),
)
def test_a_hung_engine_is_found_when_its_patience_is_over_whatever_it_did_before(
    before: list[tuple[float, bool, bool, bool]], after: list[float]
) -> None:
    progress, clock = Progress(PATIENCE_S, GAP_S), 0.0
    for gap, moved, waited_for, computing in before:
        clock += gap
        look_after(progress, clock, moved=moved, waited_for=waited_for, computing=computing)
    # It hangs from here on, and somebody waits from the next look on.
    clock += after[0]
    look_after(progress, clock)
    waits_since = clock
    for gap in cycle(after):
        if clock - waits_since >= PATIENCE_S + 1e-6:
            break
        clock += gap
        look_after(progress, clock)
    assert progress.is_stalled


@given(st.lists(gaps, min_size=1, max_size=100))
def test_an_engine_that_computes_without_a_result_gets_ten_times_the_patience(
    steps: list[float],
) -> None:
    progress, clock = Progress(PATIENCE_S, GAP_S), 0.0
    look_after(progress, clock, computing=True)
    for step in steps:
        clock += step
        look_after(progress, clock, computing=True)
        assert progress.is_stalled == (progress.silent_s >= COMPUTING_FACTOR * PATIENCE_S)
    assert abs(progress.silent_s - sum(steps)) < 1e-6


def test_a_spinning_engine_is_given_up_at_last() -> None:
    progress = Progress(PATIENCE_S, GAP_S)
    for clock in range(int(COMPUTING_FACTOR * PATIENCE_S) + 1):
        assert not progress.is_stalled
        look_after(progress, float(clock), computing=True)
    assert progress.is_stalled


def test_a_look_that_comes_late_says_nothing_about_the_engine() -> None:
    """The gateway itself was stopped, or the machine slept: an hour goes by between two looks."""
    progress = Progress(PATIENCE_S, GAP_S)
    look_after(progress, 0.0)
    look_after(progress, 3600.0)
    assert not progress.is_stalled
    assert progress.silent_s == GAP_S


def test_a_request_that_has_just_come_is_not_held_against_the_engine() -> None:
    progress = Progress(PATIENCE_S, longest_gap_s=PATIENCE_S)
    look_after(progress, 0.0, waited_for=False)
    look_after(progress, 59.0)
    assert progress.silent_s == 0.0


def test_doubt_comes_at_half_of_the_patience_and_stays_until_the_engine_moves() -> None:
    progress = Progress(PATIENCE_S, GAP_S)
    for clock in (0.0, 10.0, 20.0):
        look_after(progress, clock)
    assert not progress.is_doubtful
    look_after(progress, 30.0)
    assert progress.is_doubtful
    # The user gave up; that is no sign of life.
    look_after(progress, 40.0, waited_for=False)
    assert progress.is_doubtful
    look_after(progress, 50.0, moved=True)
    assert not progress.is_doubtful
