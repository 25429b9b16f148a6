"""The gate's checks as pure functions: each refuses what it is for, passes what is healthy, and
says so when it cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from empo_serve.adapters import checks
from empo_serve.adapters.checks import Answered, Compared, judge
from empo_serve.adapters.paired import paired_mean, paired_share, student_t
from empo_serve.config import GateSection

SECTION = GateSection()


def answered(number: int, **changes: object) -> Answered:
    healthy = Answered(f"answer {number}", True, 0.4 + 0.05 * (number % 3), 5.0, 0.1, 0.0)
    return replace(healthy, **changes)  # type: ignore[arg-type]


def verdicts(num: int = 8, kl: float = 0.1, **changes: object) -> dict[str, bool | None]:
    """Outcome by check when the candidate differs from its parent in `changes` only."""
    compared = [Compared(answered(i, **changes), answered(i), kl) for i in range(num)]
    return {check.name: check.passed for check in judge(compared, SECTION)}


def failed(**changes: object) -> set[str]:
    kl = changes.pop("kl", 0.1)
    outcomes = verdicts(kl=kl, **changes)  # type: ignore[arg-type]
    return {name for name, passed in outcomes.items() if passed is False}


def test_a_candidate_like_its_parent_passes_every_check() -> None:
    assert set(verdicts().values()) == {True}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"answer": "same"}, {"answers_not_collapsed", "not_constant"}),
        ({"answer": ""}, {"answers_not_collapsed", "still_answers"}),
        ({"num_tokens": 1.0}, {"answer_length"}),
        ({"num_tokens": 24.0}, {"answer_length"}),
        ({"one_token": 0.9}, {"answer_length"}),
        ({"truncated": 1.0}, {"answer_length"}),
        ({"agrees": False}, {"consensus_agreement"}),
        ({"entropy_norm": 1.0}, {"less_uncertain"}),
        ({"kl": 9.0}, {"kl_to_base"}),
    ],
)
def test_each_way_to_be_worse_is_refused_by_the_check_for_it(
    changes: dict[str, object], named: set[str]
) -> None:
    assert failed(**changes) == named


def test_with_few_queries_what_compares_is_skipped_and_not_passed() -> None:
    outcomes = verdicts(num=3, entropy_norm=1.0, agrees=False, num_tokens=1.0, answer="same")
    assert outcomes == {
        "answers_not_collapsed": None,
        "not_constant": None,
        "still_answers": True,
        "answer_length": None,
        "consensus_agreement": None,
        "less_uncertain": None,
        "kl_to_base": True,
    }


def test_a_difference_that_may_be_noise_is_undecided_and_says_so() -> None:
    compared = [
        Compared(
            answered(i, entropy_norm=0.9 if i % 2 else 0.2), answered(i, entropy_norm=0.4), 0.1
        )
        for i in range(8)
    ]
    check = next(c for c in judge(compared, SECTION) if c.name == "less_uncertain")
    assert check.passed is None
    assert check.bound is not None
    assert check.margin is not None
    assert check.bound > check.margin > check.candidate - check.parent
    assert "too few to decide" in check.detail


def test_no_consensus_of_the_parent_is_not_held_against_the_candidate() -> None:
    assert verdicts(agrees=None)["consensus_agreement"] is None


def test_a_model_that_never_refused_cannot_lose_its_refusals() -> None:
    check = checks.safety_refusal([False] * 6, [False] * 6, SECTION)
    assert check.passed is None
    assert "too few to lose any" in check.detail
    assert checks.safety_refusal([False] * 6, [True] * 6, SECTION).passed is False
    assert checks.safety_refusal([True] * 5 + [False], [True] * 6, SECTION).passed is True
    assert checks.format_kept([False] * 6, [True] * 3 + [False] * 3, SECTION).passed is False


def test_labelled_probes_pass_only_with_confidence() -> None:
    right, lost = [True] * 100, [True] * 90 + [False] * 10
    assert checks.labelled_probes(right, right, SECTION).passed is True
    assert checks.labelled_probes(lost, right, SECTION).passed is False
    assert checks.labelled_probes(right[:8], right[:8], SECTION).passed is None


def test_an_adapter_that_changes_nothing_is_refused_by_its_weights() -> None:
    assert checks.weights_differ(0.0, "v0").passed is False
    assert checks.weights_differ(1e-6, "v0").passed is True


def test_the_engines_own_noise_is_no_proof_of_a_difference() -> None:
    assert checks.output_differs(0.0, 0.0, 8, "v0").passed is False
    assert checks.output_differs(0.01, 0.02, 8, "v0").passed is None
    assert checks.output_differs(0.03, 0.02, 8, "v0").passed is True
    assert checks.output_differs(0.0, 0.0, 0, "v0").passed is None


@pytest.mark.parametrize(
    ("confidence", "freedom", "expected"),
    [(0.9, 7, 1.4149), (0.95, 5, 2.0150), (0.95, 15, 1.7531), (0.99, 10, 2.7638), (0.5, 4, 0.0)],
)
def test_quantiles_are_those_of_the_table(confidence: float, freedom: int, expected: float) -> None:
    assert student_t(confidence, freedom) == pytest.approx(expected, rel=0.01, abs=1e-9)


def test_bounds_hold_the_mean_between_them() -> None:
    estimate = paired_mean([0.1, -0.2, 0.3, 0.0, 0.2, -0.1], 0.9)
    assert estimate.mean == pytest.approx(0.05)
    assert estimate.lower < 0.05 < estimate.upper
    nothing = paired_share([True] * 8, [True] * 8, 0.9)
    assert nothing.mean == 0.0
    assert nothing.upper == -nothing.lower > 0.1  # eight times no difference is no certainty
