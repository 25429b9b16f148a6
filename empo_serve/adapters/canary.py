"""A canary's evidence: how it does beside the live version, measure by measure, at every moment.

Sampled queries are answered by both, so they are compared pair by pair. Errors and ratings are of
different requests; there each of the canary's is paired with the latest one of the live version
that is not used yet.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from empo_serve.adapters.sequential import MeanTest
from empo_serve.config import RolloutSection

_LONGEST_RATIO = 8.0  # of lengths; more counts as this
_WAITING = 64  # observations of one version that wait for one of the other


@dataclass(slots=True)
class Measure:
    """One measure. `test` sees how much worse the canary is, mapped to [0, 1]."""

    test: MeanTest
    canary: float = 0.0  # sums of what was measured
    live: float = 0.0

    def add(self, worse: float, canary: float, live: float) -> None:
        self.test.add(worse)
        self.canary += canary
        self.live += live


@dataclass(slots=True)
class Evidence:
    """Everything that is known of one canary. `answered` counts user requests of each version."""

    alpha: float
    measures: dict[str, Measure]
    started_at: float  # unix seconds
    answered: dict[str, int] = field(default_factory=lambda: {"canary": 0, "live": 0})
    compared: int = 0
    outcome: str | None = None  # "promoted", "rolled_back", "ended"
    reason: str | None = None
    _waiting: dict[str, dict[bool, deque[float]]] = field(default_factory=dict)

    @classmethod
    def new(cls, section: RolloutSection, started_at: float) -> Evidence:
        """A difference of `d` in [-1, 1] is seen as (d + 1) / 2, and so is its margin."""
        margins = {
            "errors": section.canary_max_error_increase,
            "entropy": section.canary_max_entropy_increase,
            "agreement": section.canary_max_agreement_drop,
            "feedback": section.canary_max_feedback_drop / 2,
        }
        measures = {name: Measure(MeanTest((1 + m) / 2)) for name, m in margins.items()}
        limit = math.log(section.canary_max_length_ratio) / math.log(_LONGEST_RATIO)
        measures["length"] = Measure(MeanTest(min(limit, 0.99)))
        return cls(section.canary_alpha, measures, started_at)

    # Observations.

    def request(self, is_canary: bool, failed: bool) -> None:
        """A user request has ended; `failed` by the engine's fault, not by the client's."""
        self.answered["canary" if is_canary else "live"] += 1
        self._pair("errors", is_canary, float(failed), worse_is_more=True, width=1.0)

    def rating(self, is_canary: bool, score: float) -> None:
        """A user's rating of an answer, -1 to 1."""
        self._pair("feedback", is_canary, score, worse_is_more=False, width=2.0)

    def compare(
        self,
        entropies: tuple[float, float],
        agreement: tuple[float, float],
        lengths: tuple[float, float],
    ) -> None:
        """One query, sampled from both; pairs are (canary, live).

        `agreement`: the chance that a sample means the same as another sample of the live version.
        `lengths` in tokens.
        """
        self.compared += 1
        for name, (canary, live), worse in (
            ("entropy", entropies, entropies[0] - entropies[1]),
            ("agreement", agreement, agreement[1] - agreement[0]),
        ):
            self.measures[name].add((worse + 1) / 2, canary, live)
        ratio = math.log(max(lengths[0], 1) / max(lengths[1], 1))
        worse = min(abs(ratio) / math.log(_LONGEST_RATIO), 1.0)
        self.measures["length"].add(worse, *lengths)

    def _pair(
        self, name: str, is_canary: bool, value: float, worse_is_more: bool, width: float
    ) -> None:
        waiting = self._waiting.setdefault(
            name, {is_canary: deque(maxlen=_WAITING) for is_canary in (True, False)}
        )
        waiting[is_canary].append(value)
        while all(waiting.values()):
            canary, live = waiting[True].popleft(), waiting[False].pop()
            worse = (canary - live if worse_is_more else live - canary) / width
            self.measures[name].add((worse + 1) / 2, canary, live)

    # Conclusions.

    @property
    def harm(self) -> str | None:
        """Which measure has shown to be worse than its margin allows, in words.

        The level is shared out between the measures: a harmless canary is taken back by any of
        them, at any time, with probability alpha at most.
        """
        alpha = self.alpha / len(self.measures)
        for name, measure in self.measures.items():
            if measure.test.is_above(alpha):
                canary, live = measure.canary / measure.test.num, measure.live / measure.test.num
                return (
                    f"{name} {canary:.3g} against {live:.3g} of the live version, after "
                    f"{measure.test.num} observations, is worse than allowed"
                )
        return None

    @property
    def is_safe(self) -> bool:
        """Has every measure but feedback, which users need not give, shown to be good enough?

        All of them have to, so none needs a smaller level.
        """
        return all(
            measure.test.is_below(self.alpha)
            for name, measure in self.measures.items()
            if name != "feedback"
        )

    # Storage.

    def as_dict(self) -> dict[str, Any]:
        """For the database and for operators."""
        shown = asdict(self)
        del shown["_waiting"]
        for measure in shown["measures"].values():
            num = measure["test"]["num"]
            means = [measure[who] / num if num else None for who in ("canary", "live")]
            measure["mean_canary"], measure["mean_live"] = means
        return shown

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Evidence:
        """Go on where `as_dict` was; wealth that was won is kept, and the bets stay honest."""
        measures = {
            name: Measure(MeanTest(**m["test"]), m["canary"], m["live"])
            for name, m in stored["measures"].items()
        }
        keys = ("alpha", "started_at", "answered", "compared")
        return cls(measures=measures, **{key: stored[key] for key in keys})


def agreements(canary_ids: Sequence[int], live_ids: Sequence[int]) -> tuple[float, float]:
    """The chance that a sample of the canary, and one of the live version, means the same as
    another sample of the live version. Equal in the mean where both are the same; needs at least
    two samples of the live version."""
    num = len(live_ids)
    canary = sum(a == b for a in canary_ids for b in live_ids) / (len(canary_ids) * num)
    live = (sum(a == b for a in live_ids for b in live_ids) - num) / (num * (num - 1))
    return canary, live
