"""Does the partition depend on the order of the samples? Is it one?"""

from __future__ import annotations

import itertools
import random
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.scorer import Scorer

NUM_ORDERS = 20


def laws(pairs: list[dict[str, Any]], section: SemanticsSection) -> None:
    """Cluster all answers to each question, in shuffled orders; every change is counted.

    A violation of transitivity is a triple of answers a ~ b ~ c with a and c apart. After
    clustering there must be none; how many the verdicts themselves hold is printed beside it.
    """
    answers: dict[str, set[str]] = {}
    for pair in pairs:
        answers.setdefault(pair["question"], set()).update((pair["a"], pair["b"]))
    rng = random.Random(0)
    changed = verdict_violations = partition_violations = 0
    scorer = Scorer(section)
    try:
        for question, texts in answers.items():
            group = sorted(texts)
            ids = semantic_ids(question, group, scorer.equivalence)
            partition = _partition(group, ids)
            for _ in range(NUM_ORDERS):
                rng.shuffle(group)
                ids = semantic_ids(question, group, scorer.equivalence)
                changed += _partition(group, ids) != partition
            said = [
                (a, b)
                for a, b in itertools.combinations(group, 2)
                if scorer.equivalence.same(question, [(min(a, b), max(a, b))])[0].same
            ]
            verdict_violations += _open_triples(said)
            cluster_of = dict(zip(group, ids, strict=True))
            partition_violations += _open_triples(
                [
                    (a, b)
                    for a, b in itertools.combinations(group, 2)
                    if cluster_of[a] == cluster_of[b]
                ]
            )
    finally:
        scorer.close()
    print(
        f"\n{len(answers)} questions x {NUM_ORDERS} orders: {changed} changed the clusters; "
        f"transitivity violations after clustering: {partition_violations} "
        f"(in the verdicts: {verdict_violations})"
    )


def _partition(texts: list[str], ids: list[int]) -> set[frozenset[str]]:
    return {
        frozenset(text for text, i in zip(texts, ids, strict=True) if i == cluster)
        for cluster in set(ids)
    }


def _open_triples(pairs: list[tuple[str, str]]) -> int:
    """Triples a ~ b ~ c without a ~ c."""
    near: dict[str, set[str]] = {}
    for a, b in pairs:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    return sum(
        c not in near[a] for b in near for a, c in itertools.combinations(sorted(near[b]), 2)
    )
