"""Is it learning? One line with an interval, from what the server knows without labels. Pure.

Without labels nobody knows whether answers became right. What is known is whether the model became
surer: the change of the normalised semantic entropy (H / ln G) between v0 and the live version.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from empo_serve.types import BandDecision

_Z = statistics.NormalDist().inv_cdf(0.975)  # a 95 % interval
_MIN_GROUPS = 8  # of a version, to speak of its entropy
_NEARLY_ALL = 0.9
_GATE_CHECK = "less_uncertain"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the mean normalised entropy, its standard error, and what it was seen on."""

    mean: float
    error: float
    seen_on: str

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, from the normal distribution."""
        return self.mean - _Z * self.error, self.mean + _Z * self.error


@dataclass(frozen=True, slots=True)
class LearningFacts:
    """`why_off`: why nothing can be trained, None when it can. `paused_by` holds the message of
    each tripped guard by its name. `recent` counts the groups of the last hour by decision, and
    `num_left_out` those of them that were admitted but will not be trained on.
    `num_versions` and `num_groups` are those of the live lineage; `change` is from v0 to `live`.
    """

    why_off: str | None
    is_paused: bool
    paused_by: Mapping[str, str]
    pinned: str | None
    training: int | None
    num_pending: int
    groups_per_update: int
    recent: Mapping[BandDecision, int]
    num_left_out: int
    live: str
    num_versions: int
    num_groups: int
    change: Change | None


@dataclass(frozen=True, slots=True)
class Summary:
    """`state` is one of "off", "paused", "pinned", "idle", "learning"; `line` begins with it."""

    state: str
    line: str


def summarise(facts: LearningFacts) -> Summary:
    """The state of learning in one line."""
    state, why = _state(facts)
    lines = [why] if why else []
    if facts.num_versions:
        lines.append(_progress(facts))
    elif state == "learning":
        lines.append("no new version yet")
    return Summary(state, f"{state}{'' if _continues(why) else ':'} {'; '.join(lines)}")


def _continues(why: str) -> bool:
    """Does the reason go on after the state as one sentence ("paused by operator")?"""
    return why.startswith("by ")


def _state(facts: LearningFacts) -> tuple[str, str]:
    if facts.paused_by:
        (guard, message), *others = facts.paused_by.items()
        more = f" (and by {', '.join(name for name, _ in others)})" if others else ""
        return "paused", f"by guard {guard}{more}: {message}"
    if facts.why_off is not None:
        return "off", facts.why_off
    if facts.is_paused:
        return "paused", "by operator"
    if facts.pinned is not None:
        return "pinned", f"{facts.pinned} answers, and nothing is trained until it is unpinned"
    if facts.training is not None:
        return "learning", f"update {facts.training} is training"
    if facts.num_pending >= facts.groups_per_update or facts.recent.get(BandDecision.ADMITTED):
        waiting = f"{facts.num_pending} of {facts.groups_per_update} groups wait"
        if facts.num_left_out:
            waiting += (
                f" ({facts.num_left_out} of the last hour are left out: their prompts were trained "
                "on often enough or wait already, or they are too old)"
            )
        return "learning", waiting
    return "idle", _why_idle(facts.recent)


def _why_idle(recent: Mapping[BandDecision, int]) -> str:
    total = sum(recent.values())
    if not total:
        return "no query was sampled in the last hour"
    certain = recent.get(BandDecision.TOO_CERTAIN, 0)
    uncertain = recent.get(BandDecision.TOO_UNCERTAIN, 0)
    parts = [f"{certain} unanimous or nearly so", f"{uncertain} too uncertain"]
    if rest := total - certain - uncertain:
        parts.append(f"{rest} without a usable consensus")
    text = f"no group is in the band ({total} sampled in the last hour: {', '.join(parts)})"
    if certain >= _NEARLY_ALL * total:
        text += ", so there is nothing to gain from this traffic: the model is sure already"
    elif uncertain >= _NEARLY_ALL * total:
        text += ", so there is nothing to learn from: the model has no consensus"
    return text


def _progress(facts: LearningFacts) -> str:
    made = (
        f"{facts.num_versions} {'version' if facts.num_versions == 1 else 'versions'} from "
        f"{facts.num_groups} groups"
    )
    change = facts.change
    if change is None:
        return f"{made}, too few answers to tell what changed"
    low, high = change.interval
    verb = "fell" if high < 0 else "ROSE" if low > 0 else "did not change beyond chance"
    return (
        f"semantic entropy {verb} from v0 to {facts.live}: {change.mean:+.2f} of ln G (95 % "
        f"interval {low:+.2f} to {high:+.2f}, {change.seen_on}), {made}"
    )


def change_by_gate(verdicts: Sequence[Mapping[str, Any]]) -> Change | None:
    """The gate's comparisons of each version with its parent, added up over a lineage.

    A verdict holds a one-sided bound at its confidence, from which the standard error follows.
    None when a version of the lineage has no such comparison: a sum with holes says nothing.
    """
    total = variance = 0.0
    num = 0
    for verdict in verdicts:
        check = next((c for c in verdict.get("checks", ()) if c["name"] == _GATE_CHECK), None)
        confidence = verdict.get("confidence", 0.0)
        if check is None or check.get("bound") is None or not 0.5 < confidence < 1:
            return None
        difference = check["candidate"] - check["parent"]
        z = statistics.NormalDist().inv_cdf(confidence)
        total += difference
        variance += ((check["bound"] - difference) / z) ** 2
        num += check["num"]
    if not num:
        return None
    return Change(total, math.sqrt(variance), f"{num} comparisons of the gate")


def change_in_traffic(before: Sequence[float], after: Sequence[float]) -> Change | None:
    """Groups of v0's traffic against groups of the live version's; the questions differ (Welch)."""
    if min(len(before), len(after)) < _MIN_GROUPS:
        return None
    variance = sum(statistics.variance(values) / len(values) for values in (before, after))
    return Change(
        statistics.fmean(after) - statistics.fmean(before),
        math.sqrt(variance),
        f"{len(before)} and {len(after)} groups of the traffic",
    )


def surest(*changes: Change | None) -> Change | None:
    """The estimate with the smallest error: over a long lineage the gate's adds up its noise."""
    known = [change for change in changes if change is not None]
    return min(known, key=lambda change: change.error, default=None)
