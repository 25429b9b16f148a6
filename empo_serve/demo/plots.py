"""The plots of report.html, as SVG that stands alone: no script, no font, no link."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

HELDOUT, TRAFFIC, THIRD = "#0b6e4f", "#b5651d", "#4a5a8a"
INK, GRID = "#42505c", "#e3e8ec"
SIZE = (5.4, 3.1)  # inches; two beside each other fill the page


def accuracy_plot(report: Mapping[str, Any]) -> str:
    """Sampled accuracy of each version, held out and on the traffic, with 95 % bands."""
    figure, axes = _axes("Sampled accuracy", "accuracy of 8 samples")
    _halves(axes, report["versions"], "sampled_accuracy")
    return _svg(figure, "accuracy")


def greedy_plot(report: Mapping[str, Any]) -> str:
    figure, axes = _axes("Greedy accuracy", "accuracy at temperature 0")
    _halves(axes, report["versions"], "greedy_accuracy")
    return _svg(figure, "greedy")


def entropy_plot(report: Mapping[str, Any]) -> str:
    figure, axes = _axes("Semantic entropy", "entropy / ln G")
    _halves(axes, report["versions"], "semantic_entropy_norm")
    return _svg(figure, "entropy")


def update_plot(report: Mapping[str, Any]) -> str:
    """Reward and KL of the updates that trained, as the trainer saw them."""
    figure, axes = _axes("Updates: reward and KL", "mean reward")
    trained = [u for u in report["updates"] if "reward_mean" in u["metrics"]]
    ids = [u["update_id"] for u in trained]
    axes.set_xlabel("update", color=INK, fontsize=9)
    (reward,) = axes.plot(
        ids, [u["metrics"]["reward_mean"] for u in trained], "o-", color=THIRD, ms=4, lw=1.8
    )
    axes.set_ylim(0, 1)
    right = axes.twinx()
    kl_values = [u["metrics"]["kl"] for u in trained]
    # None where the weight of the KL is zero and the trainer did not compute it.
    kl_points = [(i, kl) for i, kl in zip(ids, kl_values, strict=True) if kl is not None]
    (kl,) = right.plot(*_columns(kl_points), "s--", color=TRAFFIC, ms=3.5, lw=1.4)
    right.set_ylim(bottom=0)
    right.set_ylabel("KL to v0, nats per token", color=INK, fontsize=9)
    right.tick_params(colors=INK, labelsize=9, length=0)
    right.spines[:].set_visible(False)
    axes.legend([reward, kl], ["reward", "KL (right)"], frameon=False, fontsize=9, loc="upper left")
    return _svg(figure, "updates")


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _halves(axes: Axes, versions: Sequence[Mapping[str, Any]], name: str) -> None:
    x = list(range(len(versions)))
    for half, label, color in (
        ("heldout", "held out", HELDOUT),
        ("traffic", "traffic", TRAFFIC),
    ):
        low = [v["intervals"][half][name][0] for v in versions]
        high = [v["intervals"][half][name][1] for v in versions]
        axes.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
        axes.plot(
            x, [v[half][name] for v in versions], "o-", color=color, ms=4, lw=1.8, label=label
        )
    axes.set_xticks(x, [v["version"] for v in versions])
    axes.set_xlabel("version", color=INK, fontsize=9)
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, fontsize=9, loc="best")


def _axes(title: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, color="#1c2730", fontweight="bold")
    axes.set_ylabel(ylabel, color=INK, fontsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The bare <svg> element. `name` keeps the ids of several plots in one page apart."""
    out = io.StringIO()
    style = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with matplotlib.rc_context(style):
        FigureCanvasSVG(figure).print_svg(
            out, metadata={"Creator": None, "Date": None, "Format": None, "Type": None}
        )
    text = out.getvalue()
    return text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
