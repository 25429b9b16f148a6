"""The semantic entropy of uqlm and lm-polygraph, on our samples and with our equivalence.

Both take the place of their NLI model from outside, so what is compared is the rest: which text is
looked at, which pairs are asked, how clusters and an entropy are made of them. Where a package is
not installed its algorithm stands below in few lines, for counting calls only.

A call is one forward pass that the package would make with its NLI model: both ask in both
directions, uqlm caches pairs and skips equal texts, lm-polygraph asks every ordered pair of
distinct texts, each with itself included.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from empo_serve.semantics.base import Equivalence


@dataclass(frozen=True, slots=True)
class PeerScore:
    """`entropies` by name, in nats; larger is less certain. `calls` are forward passes."""

    entropies: dict[str, float]
    calls: int


class Uqlm:
    """uqlm 0.6: first member of each cluster, in order of arrival; a text may join several."""

    def __init__(self, equivalence: Equivalence) -> None:
        self._equivalence = equivalence
        self._cluster = _module("uqlm.nli.cluster")
        self._entropy = _module("uqlm.nli.entropy_utils")
        self.is_installed = self._cluster is not None and self._entropy is not None

    def score(self, question: str, texts: Sequence[str], logprobs: Sequence[float]) -> PeerScore:
        """`logprobs[i]` is the mean token log-probability of text i."""
        nli = _Counted(self._equivalence, question)
        if self._cluster is None or self._entropy is None:
            leaders = [texts[0]]
            for text in texts[1:]:
                verdicts = nli.get_nli_results_batch([(leader, text) for leader in leaders])
                if not any(verdict["entailment"] for verdict in verdicts):
                    leaders.append(text)
            return PeerScore({}, nli.calls)
        clusterer = self._cluster.SemanticClusterer(nli=nli)
        _, indices, _, _ = clusterer.cluster_responses(responses=list(texts))
        entropies = {}
        for name, weights in (
            ("uqlm, discrete", [1 / len(texts)] * len(texts)),
            ("uqlm, token probabilities", list(np.exp(logprobs))),
        ):
            shares = self._entropy.compute_cluster_probabilities(weights, indices)
            entropies[name] = float(self._entropy.compute_semantic_entropy(shares))
        return PeerScore(entropies, nli.calls)


class LmPolygraph:
    """lm-polygraph 0.7: first match against the first member of each cluster."""

    def __init__(self, equivalence: Equivalence) -> None:
        self._equivalence = equivalence
        self._classes = _module("lm_polygraph.stat_calculators.semantic_classes")
        self._entropy = _module("lm_polygraph.estimators.semantic_entropy")
        self.is_installed = self._classes is not None and self._entropy is not None

    def score(self, question: str, texts: Sequence[str], logprobs: Sequence[float]) -> PeerScore:
        """`logprobs[i]` is the log-probability of the whole of text i."""
        calls = len(set(texts)) ** 2
        if self._classes is None or self._entropy is None:
            return PeerScore({}, calls)
        nli = _Counted(self._equivalence, question)
        matrix = np.array([[[nli.is_same(a, b) for b in texts] for a in texts]], dtype=int)
        stats: dict[str, Any] = {
            "sample_texts": [list(texts)],
            "sample_log_probs": [list(logprobs)],
            "semantic_matrix_classes": matrix,
            "entailment_id": 1,
        }
        stats |= self._classes.SemanticClassesCalculator()(stats, [question], None)
        entropies = {}
        for name, kind in (
            ("lm-polygraph, frequency", "frequency"),
            ("lm-polygraph, likelihoods", "sum"),
        ):
            estimator = self._entropy.SemanticEntropy(class_probability_estimation=kind)
            entropies[name] = float(estimator(stats)[0])
        return PeerScore(entropies, calls)


class _Counted:
    """Stands in for the NLI model of uqlm, with its cache and its way of counting."""

    def __init__(self, equivalence: Equivalence, question: str) -> None:
        self._equivalence = equivalence
        self._question = question
        self._known: dict[tuple[str, str], bool] = {}
        self.calls = 0

    def is_same(self, a: str, b: str) -> bool:
        if a == b:
            return True
        if (a, b) not in self._known:
            same = bool(self._equivalence.same(self._question, [(a, b)])[0].same)
            self._known[a, b] = self._known[b, a] = same
            self.calls += 2
        return self._known[a, b]

    def get_nli_results_batch(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        return [
            {
                "entailment": same,
                "entailment_score": float(same),
                "noncontradiction_score": float(same),
            }
            for same in (self.is_same(a, b) for a, b in pairs)
        ]


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError as e:
        print(f"{name} is not here ({e}): its calls are counted, its entropy is left out")
        return None
