"""Is semantic entropy telling the truth? How well it foresees a wrong answer of a real model.

    python bench/samples.py traffic.jsonl samples.jsonl           # draws; needs vLLM
    python bench/uncertainty.py samples.jsonl --plots DIRECTORY   # measures; needs the scorer only

For each question: how uncertain the server is by its first `--num` samples, and whether the greedy
answer, and the consensus of the samples, is wrong (contains none of the gold strings). Printed for
each measure: AUROC (chance that a wrong answer is the more uncertain one), AUARC (mean accuracy
when the least certain are refused), both with 95 % bootstrap intervals over questions, and the
paired difference of AUROC to semantic entropy. For what claims to be a probability of being right:
ECE, and a reliability plot.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from intervals import Numbers, auarc, auroc, auroc_gain, bins, ece, interval
from peers import LmPolygraph, Uqlm
from samples import Asked, read_samples

from empo_serve.config import SemanticsSection
from empo_serve.semantics.entropy import miller_madow_entropy
from empo_serve.semantics.scorer import Scorer
from empo_serve.types import GroupScore

REFERENCE = "semantic entropy"


@dataclass(frozen=True, slots=True)
class Row:
    """One question. `uncertainties`: larger is less certain. `confidences` are in [0, 1]."""

    question: str
    greedy_is_wrong: bool
    consensus_is_wrong: bool
    uncertainties: dict[str, float]
    confidences: dict[str, float]


def measure(asked: Asked, num: int, scorer: Scorer, peers: Sequence[Uqlm | LmPolygraph]) -> Row:
    samples = asked.samples[:num]
    texts = [s.text for s in samples]
    means = [s.mean_logprob for s in samples]
    score = scorer.score_completions(
        asked.question, texts, [s.is_truncated for s in samples], means
    )
    consensus, share = _consensus(score)
    assert score.rao_semantic_entropy is not None
    assert score.confidence is not None
    uncertainties = {
        REFERENCE: score.semantic_entropy,
        "semantic entropy, Miller-Madow": miller_madow_entropy(score.semantic_ids),
        "likelihood-weighted entropy": score.rao_semantic_entropy,
        "1 - share of the consensus": 1 - share,
        "number of distinct strings": float(len(set(texts))),
        "1 - mean pairwise ROUGE-L": 1 - _lexical_similarity(texts),
        "- mean token log-probability": -float(np.mean(means)),
        "- the same of the greedy answer": -asked.greedy.mean_logprob,
        "- log-probability of the greedy answer": -asked.greedy.logprob,
    }
    for peer in peers:
        logprobs = means if isinstance(peer, Uqlm) else [s.logprob for s in samples]
        uncertainties |= peer.score(asked.question, texts, logprobs).entropies
    return Row(
        asked.question,
        not asked.accepts(asked.greedy.text),
        not asked.accepts(consensus),
        uncertainties,
        {
            "confidence (1 - H / ln G)": score.confidence,
            "share of the consensus": share,
            "exp(mean token log-probability), greedy": float(np.exp(asked.greedy.mean_logprob)),
            "probability of the greedy answer": float(np.exp(asked.greedy.logprob)),
        },
    )


def _consensus(score: GroupScore) -> tuple[str, float]:
    """An answer of the largest cluster that has one, and the cluster's share; ("", 0) if none."""
    answered = [i for i, answer in zip(score.semantic_ids, score.answers, strict=True) if answer]
    if not answered:
        return "", 0.0
    largest = max(answered, key=lambda i: (answered.count(i), -i))
    return (
        score.answers[score.semantic_ids.index(largest)],
        answered.count(largest) / len(score.answers),
    )


def _lexical_similarity(texts: Sequence[str]) -> float:
    """Mean ROUGE-L F1 (Lin 2004) of all pairs, on lower-case words."""
    words = [text.casefold().split() for text in texts]
    return float(np.mean([_rouge_l(a, b) for a, b in itertools.combinations(words, 2)]))


def _rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)  # longest common subsequence, one row of the table at a time
    for word in a:
        previous = 0
        for j, other in enumerate(b, start=1):
            previous, row[j] = row[j], previous + 1 if word == other else max(row[j], row[j - 1])
    return 2 * row[-1] / (len(a) + len(b))


def report(rows: Sequence[Row], target: str) -> None:
    is_wrong = np.array([float(getattr(row, target)) for row in rows])
    questions = [row.question for row in rows]
    print(f"\n{target}: {is_wrong.sum():.0f} of {len(rows)} ({1 - is_wrong.mean():.3f} right)")
    print(f"  {'':40} {'AUROC':22} {'AUARC':22} AUROC - that of {REFERENCE}")
    reference = _column(rows, REFERENCE)
    for name in rows[0].uncertainties:
        values = _column(rows, name)
        cells = []
        for function in (auroc, auarc):
            low, high = interval(function, questions, values, is_wrong)
            cells.append(f"{function(values, is_wrong):.3f} [{low:.3f}, {high:.3f}]")
        low, high = interval(auroc_gain, questions, values, reference, is_wrong)
        gain = auroc_gain(values, reference, is_wrong)
        print(f"  {name:40} {cells[0]:22} {cells[1]:22} {gain:+.3f} [{low:+.3f}, {high:+.3f}]")
    oracle = auarc(is_wrong, is_wrong)
    print(f"  AUARC of refusing at random {1 - is_wrong.mean():.3f}, of an oracle {oracle:.3f}")
    print(f"  {'calibration':40} {'ECE':22}")
    for name in rows[0].confidences:
        values = np.array([row.confidences[name] for row in rows])
        low, high = interval(ece, questions, values, 1 - is_wrong)
        print(f"  {name:40} {ece(values, 1 - is_wrong):.3f} [{low:.3f}, {high:.3f}]")


def plot(rows: Sequence[Row], directory: Path) -> Path:
    """Accuracy against confidence, in ten bins; the number of questions stands at each point."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    targets = {"greedy_is_wrong": "greedy answer", "consensus_is_wrong": "consensus"}
    figure, axes = plt.subplots(2, len(rows[0].confidences), figsize=(16, 8), squeeze=False)
    for line, (target, title) in zip(axes, targets.items(), strict=True):
        is_right = np.array([1.0 - float(getattr(row, target)) for row in rows])
        for ax, name in zip(line, rows[0].confidences, strict=True):
            values = np.array([row.confidences[name] for row in rows])
            which = bins(values)
            ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
            used = np.unique(which)
            x = [values[which == b].mean() for b in used]
            y = [is_right[which == b].mean() for b in used]
            ax.plot(x, y, marker="o")
            for b, at, height in zip(used, x, y, strict=True):
                ax.annotate(
                    f"{(which == b).sum()}", (at, height), (4, -11), textcoords="offset points"
                )
            ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=name)
            ax.set_title(f"ECE {ece(values, is_right):.3f}", fontsize=10)
        line[0].set_ylabel(f"share of right answers: {title}")
    figure.tight_layout()
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "reliability.png"
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return file


def _column(rows: Sequence[Row], name: str) -> Numbers:
    # To 9 digits: equal entropies that were added up in another order are ties.
    return np.round([row.uncertainties[name] for row in rows], 9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path)
    parser.add_argument("--num", type=int, default=8, help="samples of each question that are used")
    parser.add_argument("--method", default="auto", help="semantics.equivalence")
    parser.add_argument("--plots", type=Path, help="write reliability.png into this directory")
    options = parser.parse_args()
    scorer = Scorer(SemanticsSection.model_validate({"equivalence": options.method}))
    try:
        peers = [
            peer
            for peer in (Uqlm(scorer.equivalence), LmPolygraph(scorer.equivalence))
            if peer.is_installed
        ]
        rows = [
            measure(asked, options.num, scorer, peers) for asked in read_samples(options.samples)
        ]
    finally:
        scorer.close()
    for target in ("greedy_is_wrong", "consensus_is_wrong"):
        report(rows, target)
    if options.plots:
        print(f"\n{plot(rows, options.plots)}")


if __name__ == "__main__":
    main()
