"""Guards that look at the groups of the traffic: the latest against the baseline.

What is estimated from groups has to cross its limit by two standard errors as well, for a guard
that cries wolf is switched off.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from empo_serve.config import GuardsSection
from empo_serve.pipeline.guard_facts import Mean, TrainingFacts, UpdateFacts, Window
from empo_serve.pipeline.trip import COMPARE, MIN_UPDATES, RECENT, RESUME, Trip, entropy_trip, known
from empo_serve.types import Guard

_SIGMAS = 2.0
_EXHAUSTED = 1 / 3  # of the disagreement left: from here on, rougher updates mean a fall


def check_groups(
    section: GuardsSection, baseline: Window, recent: Window, training: TrainingFacts
) -> Iterator[Trip]:
    yield from _unanimity(section, baseline, recent)
    yield from _exhaustion(section, baseline, recent, training.updates)
    if baseline.top_answer is not None and recent.top_answer is not None:
        yield from _increase(
            Guard.CONSTANT_ANSWER,
            baseline.top_answer,
            recent.top_answer,
            section.max_top_answer_increase,
            "of the different prompts get one and the same answer",
            "The model may have learned to say one thing to everybody. " + COMPARE + RESUME,
        )
    yield from _length(section, baseline.length, recent.length)
    for guard, before, now, margin, what in (
        (
            Guard.REFUSALS,
            baseline.refused,
            recent.refused,
            section.max_refusal_increase,
            "of the samples decline to answer",
        ),
        (
            Guard.NO_ANSWERS,
            baseline.no_answer,
            recent.no_answer,
            section.max_no_answer_increase,
            "of the samples end without an answer",
        ),
        (
            Guard.TRUNCATION,
            baseline.truncated,
            recent.truncated,
            section.max_truncation_increase,
            "of the samples are cut at the token limit",
        ),
    ):
        yield from _increase(guard, before, now, margin, what, COMPARE + RESUME)
    yield from _traffic_entropy(section, baseline.surprise, recent.surprise)


def _unanimity(section: GuardsSection, baseline: Window, recent: Window) -> Iterator[Trip]:
    """Less disagreement is what learning is for; next to none is its end."""
    before, share = baseline.disagreement, section.min_disagreement
    least = share * (before.value - _SIGMAS * before.error)
    # Easy traffic has windows without any disagreement by chance, again and again.
    if recent.disagreement.value < least and _fell(baseline, recent, sigmas=3.0):
        yield Trip(
            Guard.UNANIMITY,
            1 - recent.disagreement.value,
            1 - least,
            f"{1 - recent.disagreement.value:.0%} of the groups are unanimous, at first "
            f"{1 - before.value:.0%} (limit {1 - least:.0%})",
            "Learning has taken what this traffic has to give, or the model has collapsed. "
            + COMPARE
            + "Else leave it paused, or resume when the traffic changes.",
        )


def _exhaustion(
    section: GuardsSection, baseline: Window, recent: Window, updates: Sequence[UpdateFacts]
) -> Iterator[Trip]:
    """Few groups disagree and the gradients grow: the updates fit what is left, over and over."""
    norms = known(u.grad_norm for u in updates)
    before, now = baseline.disagreement, recent.disagreement
    few_left = now.value < _EXHAUSTED * before.value and _fell(baseline, recent, _SIGMAS)
    if not section.max_gradient_rise or not few_left or len(norms) < MIN_UPDATES + RECENT:
        return
    last, earlier = statistics.median(norms[-RECENT:]), statistics.median(norms[:-RECENT])
    limit = section.max_gradient_rise * earlier
    if last > limit:
        yield Trip(
            Guard.EXHAUSTION,
            last,
            limit,
            f"the gradient norm rose from {earlier:.2g} to {last:.2g}, while groups with more than "
            f"one meaning fell from {before.value:.0%} to {now.value:.0%}",
            "What still has a signal is trained on too often; from here on models get worse. "
            + COMPARE
            + "Resume when the traffic brings new questions, or lower train.learning_rate.",
        )


def _fell(baseline: Window, recent: Window, sigmas: float) -> bool:
    """Did disagreement fall beyond chance? Pooled, for a share of 0 has no error of its own."""
    before, now = baseline.disagreement.value, recent.disagreement.value
    n, m = baseline.num_groups, recent.num_groups
    pooled = (n * before + m * now) / (n + m)
    return before - now > sigmas * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))


def _increase(
    guard: Guard, before: Mean, now: Mean, margin: float, what: str, advice: str
) -> Iterator[Trip]:
    limit = before.value + margin + _SIGMAS * math.hypot(before.error, now.error)
    if margin < 1 and now.value > limit:
        message = f"{now.value:.0%} {what}, at first {before.value:.0%} (limit {limit:.0%})"
        yield Trip(guard, now.value, limit, message, advice)


def _length(section: GuardsSection, before: Mean, now: Mean) -> Iterator[Trip]:
    factor = section.max_length_factor
    if not factor:
        return
    shortest, longest = before.value / factor, before.value * factor
    if shortest <= now.value <= longest:
        return
    is_short = now.value < shortest
    yield Trip(
        Guard.ANSWER_LENGTH,
        now.value,
        shortest if is_short else longest,
        f"answers have {now.value:.1f} tokens in the mean, at first {before.value:.1f} "
        f"({'shortest' if is_short else 'longest'} allowed: "
        f"{shortest if is_short else longest:.1f})",
        "Vague or empty answers agree with each other easily. " + COMPARE + RESUME,
    )


def _traffic_entropy(section: GuardsSection, before: Mean, now: Mean) -> Iterator[Trip]:
    limit = section.min_token_entropy * (before.value - _SIGMAS * before.error)
    if now.value < limit:
        yield entropy_trip(now.value, limit, before.value, "the traffic")
