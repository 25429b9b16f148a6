"""How well a model judges whether two answers say the same, on labelled pairs.

    python bench/judge.py pairs.jsonl --url http://127.0.0.1:8000/v1 --model NAME

Pairs are lines {"category", "question", "a", "b", "same"}. The model reads the judge's own words
(empo_serve/semantics/judge.py). AUC 0.5 is chance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.engine.endpoint import Endpoint
from empo_serve.metrics import Metrics
from empo_serve.semantics.judging import Judge, check_pairs

Scored = Sequence[tuple[float, bool]]  # the judge's probability, and the label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--api-key-env", default="")
    parser.add_argument("--category", action="append", help="only these; may be given again")
    options = parser.parse_args()
    lines = options.pairs.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if not options.category or row["category"] in options.category]
    rows += [row | {"category": "bundled check"} for row in check_pairs()]
    section = SemanticsSection(
        judge_url=options.url, judge_model=options.model, judge_api_key_env=options.api_key_env
    )
    scored = asyncio.run(ask(section, rows))
    names = list(dict.fromkeys(row["category"] for row in rows))
    print(f"{'category':<16}{'pairs':>6}{'AUC':>7}   recall at precision 0.95   "
          f"at {section.judge_threshold}: precision, recall")  # fmt: skip
    for name in [*names, "all but check"]:
        picked = [
            (p, row["same"])
            for p, row in zip(scored, rows, strict=True)
            if row["category"] == name
            or (name == "all but check" and row["category"] != "bundled check")
        ]
        usable = [(p, same) for p, same in picked if p is not None]
        print(
            f"{name:<16}{len(picked):>6}{auc(usable):>7.3f}{recall_at(usable, 0.95):>27.2f}   "
            f"{at(usable, section.judge_threshold)}, {len(picked) - len(usable)} unusable"
        )


async def ask(section: SemanticsSection, rows: Sequence[dict[str, Any]]) -> list[float | None]:
    endpoint = Endpoint(section.judge_url, section.judge_model, section.judge_api_key_env)
    try:
        judge = Judge(section, endpoint, Metrics())
        found = await asyncio.gather(
            *(judge.ask(row["question"], [(row["a"], row["b"])]) for row in rows)
        )
    finally:
        await endpoint.close()
    return [probabilities[0] for probabilities in found]


def auc(scored: Scored) -> float:
    """The probability that a pair of the same is ranked above a pair that is not."""
    same = [p for p, label in scored if label]
    other = [p for p, label in scored if not label]
    wins = sum((p > q) + (p == q) / 2 for p in same for q in other)
    return wins / (len(same) * len(other)) if same and other else float("nan")


def recall_at(scored: Scored, precision: float) -> float:
    """The highest recall of any threshold that reaches a precision."""
    best = 0.0
    for threshold in {p for p, _ in scored}:
        said = [label for p, label in scored if p >= threshold]
        if sum(said) / len(said) >= precision:
            best = max(best, sum(said) / max(1, sum(label for _, label in scored)))
    return best


def at(scored: Scored, threshold: float) -> str:
    said = [label for p, label in scored if p >= threshold]
    recall = sum(said) / max(1, sum(label for _, label in scored))
    return f"{sum(said) / len(said):.2f}, {recall:.2f}" if said else "none, 0.00"


if __name__ == "__main__":
    main()
