"""From graded answers to the rows of a table, and the table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy import Estimate, average, estimate, majority, pass_at_k
from answers import AnswerFile, Kind
from grading import Graded, Grader
from questions import Question
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 150


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `no_answer` and `truncated` are shares of all texts; a `failed`
    request has no text, and what was `ungraded` took too long to compare: neither is counted as
    wrong."""

    name: str
    questions: int
    measures: dict[str, Estimate]
    no_answer: float
    truncated: float
    failed: int
    ungraded: int


def grade_file(
    name: str,
    questions: Sequence[Question],
    answers: AnswerFile,
    grader: Grader,
    k: int,
    kinds: Sequence[Kind],
    advance: Callable[[], None],
) -> Row:
    """The row of one file. A question with an ungraded text is left out of what needs it."""
    values: dict[str, list[float]] = {name: [] for name in _measures(len(kinds) > 1, k)}
    graded: list[Graded] = []
    failed, truncated = 0, 0
    for question in questions:
        for kind in kinds:
            answered = answers.find(question, kind)
            if answered is None:
                failed += 1
                continue
            of_kind = grader.grade(question, answered.answers)
            graded.append(of_kind)
            truncated += sum(answer.is_truncated for answer in answered.answers)
            for measure, value in _values(kind, of_kind, k).items():
                values[measure].append(value)
        advance()
    texts = [answer for each in graded for answer in each.answers]
    # One seed for each file, so that its measures are of the same resamples.
    seed = sum(name.encode())
    return Row(
        name=name,
        questions=len(questions),
        measures={measure: estimate(of, seed) for measure, of in values.items()},
        no_answer=sum(not text for text in texts) / max(1, len(texts)),
        truncated=truncated / max(1, len(texts)),
        failed=failed,
        ungraded=sum(right is None for each in graded for right in each.is_right),
    )


def _values(kind: Kind, graded: Graded, k: int) -> dict[str, float]:
    is_right = [right for right in graded.is_right if right is not None]
    num_samples = len(graded.answers)
    if len(is_right) < num_samples:
        return {}
    if kind == "greedy":
        return {"greedy": float(is_right[0])}
    return {
        "pass@1": sum(is_right) / num_samples,
        "majority": majority(graded.semantic_ids, graded.answers, is_right),
        f"pass@{k}": pass_at_k(num_samples, sum(is_right), k),
    }


def _measures(is_sampled: bool, k: int) -> list[str]:
    # A dictionary's keys: pass@1 may be asked for as pass@k too.
    return list(
        dict.fromkeys(["greedy", *(["pass@1", "majority", f"pass@{k}"] if is_sampled else [])])
    )


def average_row(rows: Sequence[Row]) -> Row:
    return Row(
        name="average",
        questions=sum(row.questions for row in rows),
        measures={
            measure: average([row.measures[measure] for row in rows])
            for measure in rows[0].measures
        },
        no_answer=sum(row.no_answer for row in rows) / len(rows),
        truncated=sum(row.truncated for row in rows) / len(rows),
        failed=sum(row.failed for row in rows),
        ungraded=sum(row.ungraded for row in rows),
    )


def show(rows: Sequence[Row], num_samples: int) -> None:
    """In percent, as papers print it, with 95 % intervals."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    table = Table()
    table.add_column("")
    table.add_column("questions", justify="right")
    for measure in rows[0].measures:
        table.add_column(_TITLES.get(measure, measure).format(n=num_samples), justify="right")
    for title in ("no answer", "cut", "failed", "ungraded"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            str(row.questions),
            *(_cell(measure) for measure in row.measures.values()),
            f"{100 * row.no_answer:.0f} %",
            f"{100 * row.truncated:.0f} %",
            str(row.failed),
            str(row.ungraded),
        )
    console.print(table)


def _cell(e: Estimate) -> str:
    if math.isnan(e.mean):
        return "-"
    return escape(f"{100 * e.mean:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]")


_TITLES = {
    "greedy": "greedy pass@1",
    "pass@1": "sampled pass@1 (avg@{n})",
    "majority": "majority@{n}",
}


def write_report(
    path: Path, rows: Sequence[Row], settings: Mapping[str, Any], versions: Mapping[str, int]
) -> None:
    """The same as JSON; shares are in 0..1, and NaN (nothing was measured) is null."""
    report = {
        "settings": settings,
        "requests_by_version": versions,
        "rows": [_plain(r) for r in rows],
    }
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _plain(row: Row) -> dict[str, Any]:
    measures = {
        name: None if math.isnan(e.mean) else {"mean": e.mean, "low": e.low, "high": e.high}
        for name, e in row.measures.items()
    }
    names = ("name", "questions", "no_answer", "truncated", "failed", "ungraded")
    return {name: getattr(row, name) for name in names} | {"measures": measures}
