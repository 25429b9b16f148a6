"""Quality of extraction and of equivalence on labelled data.

    python bench/cluster.py --equivalence pairs.jsonl --extraction completions.jsonl

Pairs are lines {"category", "question", "a", "b", "same"}; completions are lines
{"question", "completion", "answer"}. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.semantics.cascade import make_equivalence
from empo_serve.semantics.extract import extract_answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--equivalence", type=Path)
    parser.add_argument("--extraction", type=Path)
    parser.add_argument("--method", default="auto", choices=["auto", "rules", "embedding"])
    parser.add_argument("--show", action="store_true", help="print every mistake")
    arguments = parser.parse_args()
    if arguments.extraction:
        extraction(_read(arguments.extraction), arguments.show)
    if arguments.equivalence:
        equivalence(_read(arguments.equivalence), arguments.method, arguments.show)


def extraction(lines: list[dict[str, Any]], show: bool) -> None:
    right: int = 0
    for line in lines:
        answer = extract_answer(line["question"], line["completion"])
        is_right = _light(answer) == _light(line["answer"])
        right += int(is_right)
        if show and not is_right:
            print(f"  {line['id']}: {answer!r}, expected {line['answer']!r}")
    print(f"extraction: exact match {right}/{len(lines)} = {right / len(lines):.3f}")


def equivalence(lines: list[dict[str, Any]], method: str, show: bool) -> None:
    judge = make_equivalence(SemanticsSection.model_validate({"equivalence": method}))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    try:
        for line in lines:
            verdict = judge.same(line["question"], [(line["a"], line["b"])])[0]
            said_same = bool(verdict.same)
            outcome = f"{'t' if said_same == line['same'] else 'f'}{'p' if said_same else 'n'}"
            for category in (line["category"], "ALL"):
                counts[category][outcome] += 1
            if show and said_same != line["same"]:
                print(
                    f"  {outcome} {line['category']} [{verdict.method}] {line['question'][:80]!r}"
                )
                print(f"       {line['a'][-100:]!r}\n       {line['b'][-100:]!r}")
    finally:
        judge.close()
    print(f"equivalence ({method})\n{'category':18} {'F1':>6} {'prec':>6} {'recall':>6} {'n':>5}")
    for category, c in sorted(counts.items(), key=lambda item: (item[0] == "ALL", item[0])):
        said, true = c["tp"] + c["fp"], c["tp"] + c["fn"]
        precision = c["tp"] / said if said else 1.0
        recall = c["tp"] / true if true else 1.0
        f1 = 2 * c["tp"] / (said + true) if said + true else 1.0
        total = sum(c.values())
        print(f"{category:18} {f1:6.3f} {precision:6.3f} {recall:6.3f} {total:5}")


def _light(text: str) -> str:
    """Case, white space, escaped dollar signs and thousand separators do not count."""
    text = " ".join(text.casefold().split()).replace("\\$", "$")
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


if __name__ == "__main__":
    main()
