"""The seam between clustering and the ways to decide that two answers mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """`same` is None when the method cannot tell; `method` names the rule or model that spoke."""

    same: bool | None
    method: str


class Equivalence(Protocol):
    """Decides whether two answers to one question say the same.

    Symmetric in each pair, true of an answer and itself, and never true of an empty answer.
    It does not promise to be transitive: `cluster.semantic_ids` copes with that.
    Text that is hostile (huge, deeply nested, not valid Unicode) gets a verdict, not an exception.
    """

    def load(self) -> None:
        """Load models and start workers now; without it the first comparison does.

        Raises StartupError when a model cannot be loaded.
        """

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """One verdict per pair, in order."""

    def close(self) -> None:
        """Free workers; the object must not be used afterwards."""
