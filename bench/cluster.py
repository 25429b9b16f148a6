"""The semantic layer on labelled data, in one run: quality, laws, cost, hostile answers.

    python bench/cluster.py --equivalence pairs.jsonl --extraction completions.jsonl \
        --samples samples.jsonl

Pairs are lines {"category", "question", "a", "b", "same"}; completions are lines
{"question", "completion", "answer"}; samples are those of bench/samples.py. What is not given is
left out. `--set semantics.equivalence=rules` and the like choose how answers are compared.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
from cluster_cost import count_calls, throughput
from cluster_laws import laws
from early_stop import replay
from hostile import hostile
from intervals import Numbers, interval
from samples import read_lines, read_samples

from empo_serve.config import SemanticsSection, load_config
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.scorer import Scorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--equivalence", type=Path)
    parser.add_argument("--extraction", type=Path)
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--only", nargs="+", default=[], help="quality laws cost hostile early_stop"
    )
    parser.add_argument("--show", action="store_true", help="print every mistake")
    options = parser.parse_args()
    config = load_config(None, options.set)
    pairs = read_lines(options.equivalence) if options.equivalence else []
    samples = read_samples(options.samples) if options.samples else []
    wanted = set(options.only) or {"quality", "laws", "cost", "hostile", "early_stop"}
    if "quality" in wanted and options.extraction:
        extraction(read_lines(options.extraction), options.show)
    if "quality" in wanted and pairs:
        equivalence(pairs, config.semantics, options.show)
    if "laws" in wanted and pairs:
        laws(pairs, config.semantics)
    if "cost" in wanted and (pairs or samples):
        throughput(pairs, samples)
        count_calls(pairs, samples, config.semantics)
    if "hostile" in wanted:
        hostile(config.semantics)
    if "early_stop" in wanted and samples:
        replay(samples, config)


def extraction(lines: list[dict[str, Any]], show: bool) -> None:
    is_right = np.zeros(len(lines))
    for number, line in enumerate(lines):
        answer = extract_answer(line["question"], line["completion"])
        is_right[number] = _light(answer) == _light(line["answer"])
        if show and not is_right[number]:
            print(f"  {line['id']}: {answer!r}, expected {line['answer']!r}")
    low, high = interval(lambda x: float(x.mean()), [x["question"] for x in lines], is_right)
    print(
        f"extraction: exact match {is_right.sum():.0f} of {len(lines)} = {is_right.mean():.3f} "
        f"[{low:.3f}, {high:.3f}]"
    )


def equivalence(lines: list[dict[str, Any]], section: SemanticsSection, show: bool) -> None:
    """Pairwise precision, recall and F1, with intervals over questions."""
    scorer = Scorer(section)
    said = np.zeros(len(lines))
    try:
        for number, line in enumerate(lines):
            verdict = scorer.equivalence.same(line["question"], [(line["a"], line["b"])])[0]
            said[number] = bool(verdict.same)
            if show and said[number] != line["same"]:
                kind = "merged" if said[number] else "missed"
                print(f"  {kind} {line['category']} [{verdict.method}] {line['question'][:80]!r}")
                print(f"       {line['a'][-100:]!r}\n       {line['b'][-100:]!r}")
    finally:
        scorer.close()
    true = np.array([float(line["same"]) for line in lines])
    categories = np.array([line["category"] for line in lines])
    print(f"\npairs ({section.equivalence})")
    print(f"{'category':18} {'F1':22} {'precision':22} {'recall':22} {'n':>5}")
    for category in [*sorted(set(categories)), "ALL"]:
        at = np.flatnonzero((categories == category) | (category == "ALL"))
        questions = [lines[i]["question"] for i in at]
        cells = []
        for function in (f1, precision, recall):
            low, high = interval(function, questions, said[at], true[at])
            cells.append(f"{function(said[at], true[at]):.3f} [{low:.3f}, {high:.3f}]")
        print(f"{category:18} {cells[0]:22} {cells[1]:22} {cells[2]:22} {len(at):5}")


def precision(said: Numbers, true: Numbers) -> float:
    return float(said @ true / said.sum()) if said.any() else 1.0


def recall(said: Numbers, true: Numbers) -> float:
    return float(said @ true / true.sum()) if true.any() else 1.0


def f1(said: Numbers, true: Numbers) -> float:
    total = said.sum() + true.sum()
    return float(2 * (said @ true) / total) if total else 1.0


def _light(text: str) -> str:
    """Case, white space, escaped dollar signs and thousand separators do not count."""
    text = " ".join(text.casefold().split()).replace("\\$", "$")
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


if __name__ == "__main__":
    main()
