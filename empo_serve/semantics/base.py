"""The seam between clustering and the ways to decide that two answers mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from empo_serve.semantics.normalize import normalize


@dataclass(frozen=True, slots=True)
class Verdict:
    """`same` is None when the method cannot tell; `method` names the rule or model that spoke."""

    same: bool | None
    method: str


UNDECIDED = Verdict(None, "undecided")  # nothing to say


class Equivalence(Protocol):
    """Decides whether two answers to one question say the same.

    Symmetric in each pair, true of an answer and itself, and never true of an empty answer.
    It does not promise to be transitive: `cluster.semantic_ids` copes with that.
    Text that is hostile (huge, deeply nested, not valid Unicode) gets a verdict, not an exception;
    but for mathematics that comes to no end, which raises ScorerError: it is not "different".
    Who is not sure says None, and leaves it to others: only the last one's None counts as different
    (`cascade.Cascade`).
    """

    def load(self) -> None:
        """Load models and start workers now; without it the first comparison does.

        Raises StartupError when a model cannot be loaded.
        """

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """One verdict per pair, in order."""

    def close(self) -> None:
        """Free workers; the object must not be used afterwards."""


def without_model(a: str, b: str) -> Verdict | None:
    """The verdict on two final answers where no model has to be asked: one is empty, or equal."""
    if not a or not b:
        return Verdict(False, "empty")
    if a == b or (normalize(a) and normalize(a) == normalize(b)):
        return Verdict(True, "exact")
    return None
