"""Write docs/configuration.md and metrics.md, and the examples of semantics.md. `make docs`"""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from empo_serve.buffer import band
from empo_serve.buffer.early_stop import EarlyStop
from empo_serve.config import Config, SemanticsSection
from empo_serve.metrics import Metrics
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.scorer import Scorer

ROOT = Path(__file__).resolve().parent.parent

CONFIGURATION_HEADER = """\
# Configuration

<!-- Written by `make docs` from empo_serve/config/. -->

One TOML file (`empo-serve serve --config FILE`). Every key has a default, and may also be given as
`--set section.key=value` or in the environment as `EMPO_<SECTION>__<KEY>`. The last of these wins:
default, file, environment, `--set`. An unknown key is an error that names it.
`empo-serve config show` prints the complete configuration, `empo-serve config check` checks it.
"""

METRICS_HEADER = """\
# Metrics

<!-- Written by `make docs` from empo_serve/metrics.py. -->

`GET /metrics` on the public and on the admin port, in Prometheus' text format. A counter counts
since the server started. A histogram `x` is exposed as `x_bucket`, `x_sum` and `x_count`. Labels
take their values from configuration and from fixed lists, so the number of series is bounded.
Besides these there are the client library's `process_*` and `python_gc_*` metrics of the gateway.
"""

EXAMPLES_BEGIN = "<!-- Written by `make docs` from semantics_examples.jsonl. -->\n"
EXAMPLES_END = "<!-- End of what `make docs` writes. -->\n"

KEY_HEADER = ("| key | type | default | meaning |", "|---|---|---|---|")


def type_text(annotation: Any) -> str:
    """A configuration type as an operator would write its values."""
    if get_origin(annotation) is Literal:
        return " or ".join(json.dumps(value) for value in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(type_text(a) for a in get_args(annotation) if a is not type(None))
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if isinstance(item, type) and issubclass(item, BaseModel):
            return "list of tables"
        return "list of strings" if item is str else f"list of {type_text(item)}"
    return {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path"}[
        annotation
    ]


def bounds_text(field: FieldInfo) -> str:
    limits = {Ge: "≥ {0.ge}", Gt: "> {0.gt}", Le: "≤ {0.le}", Lt: "< {0.lt}"}
    return ", ".join(limits[type(m)].format(m) for m in field.metadata if type(m) in limits)


def default_text(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "must be given"
    if value is None:
        return "not set"
    if isinstance(value, Path):
        value = str(value)
    return f"`{json.dumps(value)}`"


def table_row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells) + " |"


def configuration_page() -> str:
    lines = [CONFIGURATION_HEADER]
    for section, section_field in Config.model_fields.items():
        annotation: Any = section_field.annotation
        lines += [f"## [{section}]", "", *KEY_HEADER]
        for key, field in annotation.model_fields.items():
            lines.append(key_row(key, field))
        lines.append("")
        for key, field in annotation.model_fields.items():
            if type_text(field.annotation) == "list of tables":
                row_model = get_args(field.annotation)[0]
                lines += [f"### [[{section}.{key}]]", "", *KEY_HEADER]
                lines += [key_row(k, f) for k, f in row_model.model_fields.items()]
                lines.append("")
    return "\n".join(lines)


def key_row(key: str, field: FieldInfo) -> str:
    kind = type_text(field.annotation)
    if bounds := bounds_text(field):
        kind += f", {bounds}"
    return table_row(f"`{key}`", kind, default_text(field), field.description or "")


def metrics_page() -> str:
    lines = [METRICS_HEADER, "| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in vars(Metrics()).values():
        # What the client library exposes publicly has no label names before the first sample.
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        suffix = "_total" if isinstance(metric, Counter) else ""
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        name = f"`{metric._name}{suffix}`"
        lines.append(table_row(name, metric._type, labels, metric._documentation))
    return "\n".join(lines) + "\n"


def semantics_page() -> str:
    """The page as it is, with its examples computed anew from docs/semantics_examples.jsonl."""
    page = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    before, _, rest = page.partition(EXAMPLES_BEGIN)
    _, _, after = rest.partition(EXAMPLES_END)
    lines = (ROOT / "docs" / "semantics_examples.jsonl").read_text(encoding="utf-8").splitlines()
    scorer = Scorer(SemanticsSection(equivalence="rules"))
    try:
        examples = [
            example(number, json.loads(line), scorer) for number, line in enumerate(lines, 1)
        ]
    finally:
        scorer.close()
    return before + EXAMPLES_BEGIN + "\n" + "\n".join(examples) + "\n" + EXAMPLES_END + after


def example(number: int, group: dict[str, Any], scorer: Scorer) -> str:
    """One group as a table: its texts in order, their answers and clusters, and what follows."""
    question, texts = group["question"], group["completions"]
    answers = [extract_answer(question, text) for text in texts]
    score = scorer.score(question, answers, group["mean_logprobs"])
    lines = [f"### {number}. {group['title']}", "", question, ""]
    lines += ["| samples | text | final answer | cluster |", "|---|---|---|---|"]
    for text in dict.fromkeys(texts):
        at = texts.index(text)
        times, cluster = str(texts.count(text)), str(score.semantic_ids[at])
        lines.append(table_row(times, text or "(cut off)", answers[at] or "(none)", cluster))
    config = Config()
    total = len(texts)
    stop = EarlyStop(config.band, total, config.sampling.early_stop_risk)
    drawn = next(
        n
        for n in stop.rounds
        if n == total or stop.is_hopeless(score.semantic_ids[:n], answers[:n])
    )
    decision = band.decide(score.semantic_ids, answers, config.band)
    sizes = sorted((score.semantic_ids.count(i) for i in set(score.semantic_ids)), reverse=True)
    lines += [
        "",
        f"{' + '.join(map(str, sizes))}: H = {score.semantic_entropy:.3f} nats, "
        f"H / ln {total} = {score.semantic_entropy_norm:.3f}, confidence {score.confidence:.3f}, "
        f"likelihood-weighted {score.rao_semantic_entropy:.3f} nats. Band: `{decision.value}`, "
        f"after {drawn} samples.",
        "",
        group["note"],
        "",
    ]
    return "\n".join(lines)


PAGES = {
    "configuration.md": configuration_page,
    "metrics.md": metrics_page,
    "semantics.md": semantics_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
