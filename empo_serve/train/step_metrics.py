"""What a step was made of, and the steps of a job summed up. No torch in here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from empo_serve.train.job import JobGroup, StepMetrics

# Means over what was trained on; None where a step did not compute them.
_TRAINED_MEANS = (
    "loss",
    "kl",
    "clip_fraction",
    "importance_ratio_mean",
    "mean_abs_logprob_difference",
    "effective_sample_size",
    "token_entropy",
)


def step_metrics(
    groups: Sequence[JobGroup],
    rewards: Sequence[Sequence[float]],
    num_trained: int,
    numbers: dict[str, float],
    *,
    step: int,
    tokens: int,
    seconds: float,
) -> StepMetrics:
    """The metrics of one step on `groups`, `num_trained` of which went through the model.

    `numbers` are those that only the model knows, by the names of StepMetrics.
    """
    samples = [sample for group in groups for sample in group.samples]
    staleness = [group.staleness for group in groups for _ in group.samples]
    return StepMetrics(
        step=step,
        reward_mean=statistics.fmean(r for group in rewards for r in group),
        reward_std=statistics.fmean(statistics.stdev(group) for group in rewards),
        grad_norm=numbers.get("grad_norm"),
        semantic_entropy_mean=statistics.fmean(g.semantic_entropy for g in groups),
        groups=len(groups),
        groups_without_signal=len(groups) - num_trained,
        samples=len(samples),
        tokens=tokens,
        seconds=round(seconds, 3),
        completion_length_mean=statistics.fmean(len(s.token_ids) for s in samples),
        no_answer_rate=statistics.fmean(s.truncated or not s.answer for s in samples),
        truncation_rate=statistics.fmean(s.truncated for s in samples),
        staleness_mean=statistics.fmean(staleness),
        staleness_max=max(staleness),
        unanimity_rate=statistics.fmean(_is_unanimous(g) for g in groups),
        **{name: numbers.get(name) for name in _TRAINED_MEANS},
    )


def job_metrics(steps: Sequence[StepMetrics], seconds: float) -> StepMetrics:
    """The metrics of a whole job: counts added, means weighted by what they are means of."""
    total: dict[str, Any] = {
        "step": steps[-1].step,
        "groups": sum(s.groups for s in steps),
        "groups_without_signal": sum(s.groups_without_signal for s in steps),
        "samples": sum(s.samples for s in steps),
        "tokens": sum(s.tokens for s in steps),
        "seconds": round(seconds, 3),
        "staleness_max": max(s.staleness_max for s in steps),
        "grad_norm": max((s.grad_norm for s in steps if s.grad_norm is not None), default=None),
    }
    for name in _TRAINED_MEANS:
        total[name] = _mean(steps, name, "tokens")
    for name in ("reward_std", "semantic_entropy_mean", "unanimity_rate"):
        total[name] = _mean(steps, name, "groups")
    for name in (
        "reward_mean",
        "completion_length_mean",
        "no_answer_rate",
        "truncation_rate",
        "staleness_mean",
    ):
        total[name] = _mean(steps, name, "samples")
    return StepMetrics(**total)


def _mean(steps: Sequence[StepMetrics], name: str, weight: str) -> float | None:
    known = [s for s in steps if getattr(s, name) is not None]
    if not known:
        return None
    weights = [max(getattr(s, weight), 1) for s in known]
    return statistics.fmean((getattr(s, name) for s in known), weights)


def _is_unanimous(group: JobGroup) -> bool:
    pairs = zip(group.semantic_ids, group.samples, strict=True)
    answered = [cluster for cluster, s in pairs if s.answer and not s.truncated]
    return len(answered) > 1 and len(set(answered)) == 1
