"""The table and the plot of bench/longrun.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loop_report import GREEDY, SAMPLED, numbers, save_svg
from matplotlib.figure import Figure

from empo_serve.demo.measure import bootstrap_interval

COLORS = {"off": "#b5651d", "on": "#0b6e4f"}
NAMES = {"off": "without guards and gate", "on": "with guards and gate"}


def report(runs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Print the table, and write it and the plot into `folder`."""
    if not runs:
        return
    lines = [
        "| arm | updates, by end | start | best | lowest | final | final greedy | ended |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        sampled = [numbers(entry, "heldout", SAMPLED) for entry in run["versions"]]
        means = [float(s.mean()) for s in sampled]
        low, high = bootstrap_interval(sampled[-1].tolist())
        states = Counter(update["state"].lower() for update in run["updates"])
        cells = [
            NAMES[run["arm"]],
            ", ".join(f"{n} {state}" for state, n in states.items()),
            *(f"{mean:.3f}" for mean in (means[0], max(means), min(means))),
            f"{means[-1]:.3f} [{low:.2f}, {high:.2f}]",
            f"{numbers(run['versions'][-1], 'heldout', GREEDY).mean():.3f}",
            run["ended"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    (folder / "longrun.md").write_text(text, encoding="utf-8")
    print(text)
    _plot(runs, folder / "longrun.svg")


def _plot(runs: Sequence[dict[str, Any]], file: Path) -> None:
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for run in runs:
        x = [entry["updates"] for entry in run["versions"]]
        y = [float(numbers(entry, "heldout", SAMPLED).mean()) for entry in run["versions"]]
        axes.plot(x, y, "o-", color=COLORS[run["arm"]], lw=2, ms=3.5, label=NAMES[run["arm"]])
    start = float(numbers(runs[0]["versions"][0], "heldout", SAMPLED).mean())
    axes.axhline(start, color="#7a858f", lw=1, ls="--", label="no update")
    axes.set_ylim(0, 1)
    axes.set_xlabel("turns (updates, until learning stops)")
    axes.set_ylabel("held-out sampled accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    save_svg(figure, file)
