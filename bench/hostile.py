"""Answers made to hang, crash or fill the scorer: how long each takes, and whether it lives on."""

from __future__ import annotations

import time

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError
from empo_serve.semantics.scorer import Scorer

ANSWERS = {
    "9**9**9": "9**9**9",
    "9^{9^{9^{9}}}": "$9^{9^{9^{9}}}$",
    "(10^100)!": "$(10^{100})!$",
    "1 MB of LaTeX": "$" + r"\frac{x}{y}+" * 87_382 + "1$",
    "1 MB of digits": "7" * 2**20,
    "1 MB of words": "word " * 209_716,
    "100,000 open brackets": "(" * 100_000,
    r"5,000 nested \frac": "$" + r"\frac{1}{" * 5_000 + "2" + "}" * 5_000 + "$",
    r"5,000 nested \sqrt": "$" + r"\sqrt{" * 5_000 + "2" + "}" * 5_000 + "$",
    r"10,000 open \boxed{": r"\boxed{" * 10_000,
    "50,000 nested lists": "[" * 50_000 + "]" * 50_000,
    "NUL": "4\x002",
    "half a surrogate pair": "\ud800 is the answer",
    "10,000 commas": "," * 10_000,
    "an open list of 20,000": "['a'," * 20_000,
    "a list of 10,000": ",".join(map(str, range(10_000))),
    "a matrix of 10,000": r"$\begin{pmatrix}"
    + " & ".join(map(str, range(10_000)))
    + r"\end{pmatrix}$",
    "an integral": r"$\int_0^1 e^{e^{e^x}} \sin(x^{x^x}) dx$",
    "10,000 combining marks": "a" + "\u0301" * 10_000,
}


def hostile(section: SemanticsSection) -> None:
    """Score each with a near copy of it and an innocent answer; then a sum that needs the pool."""
    scorer = Scorer(section)
    slowest, dead = 0.0, []
    print("\nhostile answers")
    try:
        scorer.equivalence.load()
        for number, (name, answer) in enumerate(ANSWERS.items(), start=2):
            group = [answer, answer + " ", "x" + answer, "$" + answer + "+0$", "4"]
            started = time.perf_counter()
            try:
                score = scorer.score_completions("What is it?", group, [False] * len(group))
                outcome = f"{score.num_clusters} clusters"
            except ScorerError:
                outcome = "not scored"
            seconds = time.perf_counter() - started
            # An equation, which nothing but a worker reads.
            pair = (f"$x^2+y^2={number}$", f"$y^2+x^2={number}$")
            verdict = scorer.equivalence.same("Which circle?", [pair])[0]
            slowest = max(slowest, seconds)
            if not verdict.same:
                dead.append(name)
            print(
                f"  {name:24} {seconds:6.2f} s, {outcome}, "
                f"pool {'alive' if verdict.same else f'DEAD ({verdict})'}"
            )
    finally:
        scorer.close()
    print(f"  slowest {slowest:.2f} s; pool dead after: {', '.join(dead) or 'none'}")
