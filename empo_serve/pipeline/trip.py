"""What a guard says when it trips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from empo_serve.types import Guard

RECENT = 3  # updates in a row that have to agree
MIN_UPDATES = 4  # before them, for a median to mean something

COMPARE = (
    "Look at the answers (GET /admin/v1/queries) and compare versions on questions that you know "
    "(header X-Empo-Version). If the live one is worse: empo-serve adapters rollback. "
)
RESUME = "Resuming takes what is served then as the new normal."


@dataclass(frozen=True, slots=True)
class Trip:
    """A guard that pauses learning. `message` says what is wrong, `advice` what to do next."""

    guard: Guard
    value: float
    limit: float
    message: str
    advice: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"guard": self.guard.value}


def entropy_trip(value: float, limit: float, before: float, where: str) -> Trip:
    """Both kinds of evidence have this guard."""
    return Trip(
        Guard.TOKEN_ENTROPY,
        value,
        limit,
        f"the entropy per token of {where} is {value:.3f} nats, at first {before:.3f} "
        f"(limit {limit:.3f})",
        "The model hardly varies its words any more. " + COMPARE + "Then raise train.beta.",
    )


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
