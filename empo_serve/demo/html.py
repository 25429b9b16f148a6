"""report.html: the numbers of report.json as one page that needs nothing but itself."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from empo_serve.demo.plots import accuracy_plot, entropy_plot, greedy_plot, update_plot
from empo_serve.demo.report import samples_in_words, swaps_in_words

COLUMNS = (
    ("sampled_accuracy", "sampled accuracy"),
    ("greedy_accuracy", "greedy"),
    ("majority_accuracy", "majority"),
    ("semantic_entropy_norm", "entropy / ln G"),
)

STYLE = """
:root { --ink: #1c2730; --soft: #5b6b78; --line: #e3e8ec; --good: #0b6e4f; --bad: #a23b2a; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8f9; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 36px 0 12px; }
p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.conclusion { font-size: 17px; background: #fff; border-left: 4px solid var(--good);
  padding: 14px 18px; border-radius: 0 8px 8px 0; margin: 20px 0; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; }
.tile, .card { background: #fff; border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 14px 16px; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.card { padding: 12px; overflow-x: auto; }
.card svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; }
tr:last-child td { border-bottom: 0; }
th.text, td.text { text-align: left; white-space: normal; }
small { color: var(--soft); font-size: 12px; }
.right { color: var(--good); } .wrong { color: var(--bad); }
@media (max-width: 760px) { .tiles, .plots { grid-template-columns: 1fr; } }
"""


def write_html(report: Mapping[str, Any], file: Path) -> None:
    """Write the page. `report` is the record of report.json, and every number comes from it."""
    file.write_text(render(report), encoding="utf-8")


def render(report: Mapping[str, Any]) -> str:
    plots = [accuracy_plot, greedy_plot, entropy_plot, update_plot]
    cards = "".join(f'<div class="card">{plot(report)}</div>' for plot in plots)
    prompts, model = report["prompts"], html.escape(report["model"])
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>empo-serve demo: {model}</title><style>{STYLE}</style></head>
<body><main>
<h1>{model}, learning from its own traffic</h1>
<p class="soft">empo-serve demo · {report["seconds"] / 60:.1f} minutes ·
ended: {html.escape(report["ended"])}</p>
<p class="conclusion">{html.escape(report["conclusion"])}</p>
{_tiles(report)}
<h2>Version by version</h2>
<p class="soft">{prompts["heldout"]} held-out questions that were never played, and
{prompts["traffic"]} of those that were. Bands are 95 % bootstrap intervals over questions. A sample
that was cut at the token limit has no answer and counts as wrong.</p>
<div class="plots">{cards}</div>
<h2>The same numbers</h2>
<div class="card">{_version_table(report, "heldout", "Held out")}</div><p></p>
<div class="card">{_version_table(report, "traffic", "Traffic")}</div>
<h2>Training updates</h2>
<p class="soft">{samples_in_words(report["samples"])}</p>
<div class="card">{_update_table(report)}</div>
<h2>Held-out questions, before and after</h2>
<p class="soft">The first in hash order, not the best. Shown is the largest cluster of the samples
and the server's confidence (1 − entropy / ln G).</p>
<div class="card">{_example_table(report)}</div>
</main></body></html>
"""


def _tiles(report: Mapping[str, Any]) -> str:
    first, last = report["versions"][0], report["versions"][-1]
    requests = report["requests"]

    def from_to(name: str) -> str:
        if first is last:
            return f"{first['heldout'][name]:.2f}"
        return f"{first['heldout'][name]:.2f} → {last['heldout'][name]:.2f}"

    span = "held out, " + (
        first["version"] if first is last else f"{first['version']} → {last['version']}"
    )
    tiles = (
        (from_to("sampled_accuracy"), f"sampled accuracy, {span}"),
        (from_to("semantic_entropy_norm"), f"semantic entropy / ln G, {span}"),
        (f"{requests['failed']} of {requests['total']}", "requests failed"),
        (
            swaps_in_words(report["swaps"]),
            f"{requests['across_swaps']} requests on their way during one, "
            f"{requests['mixed']} of mixed versions",
        ),
    )
    cells = "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in tiles)
    return f'<div class="tiles">{cells}</div>'


def _version_table(report: Mapping[str, Any], half: str, title: str) -> str:
    rows = []
    for v in report["versions"]:
        cells = "".join(_with_interval(v, half, name) for name, _ in COLUMNS)
        state = html.escape(v["state"].lower())
        rows.append(
            f'<tr><td class="text"><b>{html.escape(v["version"])}</b></td>'
            f'<td class="text">{state}</td><td>{v["trained_groups"]}</td>{cells}</tr>'
        )
    head = "".join(f"<th>{name}</th>" for _, name in COLUMNS)
    return (
        f'<table><tr><th class="text">{title}</th><th class="text">state</th>'
        f"<th>groups trained on</th>{head}</tr>{''.join(rows)}</table>"
    )


def _with_interval(version: Mapping[str, Any], half: str, name: str) -> str:
    low, high = version["intervals"][half][name]
    return f"<td>{version[half][name]:.3f} <small>{low:.2f} to {high:.2f}</small></td>"


def _update_table(report: Mapping[str, Any]) -> str:
    if not report["updates"]:
        return '<p class="soft">No update was started.</p>'
    rows = []
    for u in report["updates"]:
        m = u["metrics"]
        numbers = "".join(
            f"<td>{_number(m.get(name))}</td>"
            for name in ("semantic_entropy_mean", "reward_mean", "kl", "grad_norm", "seconds")
        )
        outcome = u["state"].lower() + (f": {u['error']}" if u["error"] else "")
        rows.append(
            f'<tr><td class="text">{u["update_id"]}</td>'
            f'<td class="text">{html.escape(outcome)}</td>'
            f'<td class="text">{html.escape(u["version"] or "–")}</td>'
            f"<td>{u['groups']}</td>{numbers}</tr>"
        )
    return (
        '<table><tr><th class="text">update</th><th class="text">outcome</th>'
        '<th class="text">version</th><th>groups</th><th>entropy, nats</th><th>reward</th>'
        f"<th>KL, nats</th><th>gradient norm</th><th>seconds</th></tr>{''.join(rows)}</table>"
    )


def _example_table(report: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td class="text">{html.escape(e["prompt"])}</td>'
        f"{_answer(e['before'])}{_answer(e['after'])}"
        f'<td class="text">{html.escape(" / ".join(e["gold"]))}</td></tr>'
        for e in report["examples"]
    )
    return (
        '<table><tr><th class="text">question</th><th class="text">before</th>'
        '<th class="text">after</th><th class="text">accepted</th></tr>'
        f"{rows}</table>"
    )


def _answer(example: Mapping[str, Any]) -> str:
    kind, sign = ("right", "✓") if example["right"] else ("wrong", "✗")
    text = html.escape(example["answer"] or "(no answer)")
    return (
        f'<td class="text"><span class="{kind}">{sign} {text}</span><br>'
        f"<small>{example['share']:.0%} of samples, confidence "
        f"{_number(example['confidence'], 2)}</small></td>"
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
