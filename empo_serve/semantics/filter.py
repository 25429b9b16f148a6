"""The semantic layer as a filter: JSON lines in, JSON lines out, in the same order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NoReturn, TextIO

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.judge import Ask
from empo_serve.semantics.scorer import Scorer

Kind = Literal["groups", "pairs", "extract"]
Band = Callable[[Sequence[int], Sequence[str]], str]


def run(
    kind: Kind,
    lines: Iterable[str],
    out: TextIO,
    section: SemanticsSection,
    band: Band | None = None,
    ask: Ask | None = None,
) -> int:
    """Add the result of each line to it and write it to `out` at once.

    A line that cannot be used becomes {"error": ...} in its place, and the exit code is then 1.
    `band` gives a group's band decision from its semantic ids and answers; `ask` asks the judge.
    Raises StartupError when a part that `section` asks for is not installed.
    """
    scorer = None if kind == "extract" else Scorer(section, ask)
    exit_code = 0
    try:
        if scorer is not None and section.equivalence in ("embedding", "nli"):
            scorer.equivalence.load()  # a model that does not load is told before the first line
        for line in lines:
            try:
                result = _dump(_process(kind, _object(line), scorer, band))
            except (ValueError, RecursionError, ScorerError) as e:
                exit_code = 1
                result = _dump({"error": str(e) or type(e).__name__})
            out.write(result + "\n")
            out.flush()
    finally:
        if scorer is not None:
            scorer.close()
    return exit_code


def _process(
    kind: Kind, item: dict[str, Any], scorer: Scorer | None, band: Band | None
) -> dict[str, Any]:
    question = _text(item, "question")
    if scorer is None:
        return {**item, "answer": extract_answer(question, _text(item, "completion"))}
    if kind == "pairs":
        pair = (_text(item, "a"), _text(item, "b"))
        verdict = scorer.equivalence.same(question, [pair])[0]
        return {**item, "same": bool(verdict.same), "method": verdict.method}
    field = "answers" if "answers" in item else "completions"
    texts = item.get(field)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f'"{field}" must be a list of strings')
    if not texts:
        raise ValueError(f'"{field}" is empty')
    answers = [extract_answer(question, text) for text in texts]
    score = scorer.score(question, answers, _mean_logprobs(item, len(texts)))
    result = {
        **item,
        "semantic_ids": list(score.semantic_ids),
        "semantic_entropy": score.semantic_entropy,
        "semantic_entropy_norm": score.semantic_entropy_norm,
        "num_clusters": score.num_clusters,
        "confidence": score.confidence,
    }
    if score.rao_semantic_entropy is not None:
        result["rao_semantic_entropy"] = score.rao_semantic_entropy
    if band is not None:
        result["band"] = str(band(score.semantic_ids, score.answers))
    return result


def _mean_logprobs(item: dict[str, Any], num_samples: int) -> list[float] | None:
    values = item.get("mean_logprobs")
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != num_samples:
        raise ValueError(f'"mean_logprobs" must be a list of {num_samples} numbers')
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError('"mean_logprobs" must hold numbers')
        if not -1e300 < value < 1e300 or not math.isfinite(value):
            raise ValueError('"mean_logprobs" must be finite')
    return [float(value) for value in values]


def _text(item: dict[str, Any], field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        raise ValueError(f'"{field}" must be a string')
    return value


def _object(line: str) -> dict[str, Any]:
    item = json.loads(line, parse_constant=_refuse_constant)
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    return item


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _dump(item: dict[str, Any]) -> str:
    return json.dumps(item, allow_nan=False)
