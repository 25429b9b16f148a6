"""The table and the plot of bench/loop.py, from the lines of its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from empo_serve.demo.measure import bootstrap_interval

Numbers = npt.NDArray[np.float64]
Interval = tuple[float, float]
NUM_RESAMPLES = 4000
COLORS = {
    "prob": "#0b6e4f",
    "majority": "#4a5a8a",
    "random": "#b5651d",
    "noise": "#a33b5e",
    "none": "#7a858f",
}
NAMES = {
    "prob": "EMPO",
    "majority": "majority reward",
    "random": "random reward with the penalty",
    "noise": "random reward",
}
SAMPLED, GREEDY, MAJORITY = "sampled_accuracy", "greedy_accuracy", "majority_accuracy"


def report(runs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Print the tables, and write them and the plot into `folder`."""
    if not runs:
        return
    text = "\n".join([*_each_run(runs), "", *_comparisons(runs)]) + "\n"
    (folder / "tables.md").write_text(text, encoding="utf-8")
    print(text)
    _plot(runs, folder / "loop.svg")


class Runs:
    """Numbers for each question, by arm and seed. v0 is measured under the arm "none"."""

    def __init__(self, runs: Sequence[dict[str, Any]]) -> None:
        self._runs = {(r["arm"], r["seed"]): r for r in runs}
        self.seeds = sorted({seed for _, seed in self._runs})
        self.arms = [arm for arm in NAMES if any(a == arm for a, _ in self._runs)]

    def entries(self, arm: str, seed: int) -> list[dict[str, Any]]:
        """v0 and every later version that was measured."""
        return [
            entry
            for name in ("none", arm)
            for entry in self._runs.get((name, seed), {"versions": []})["versions"]
        ]

    def complete(self, *arms: str) -> list[int]:
        return [s for s in self.seeds if all((arm, s) in self._runs for arm in ("none", *arms))]


def numbers(entry: dict[str, Any], half: str, name: str) -> Numbers:
    """One measure of every question, in an order that all versions of a seed share."""
    return np.array([entry[half][i][name] for i in sorted(entry[half])])


def two_level_interval(by_seed: Sequence[Numbers]) -> Interval:
    """95 % percentile interval of the mean over seeds and questions: seeds are drawn with
    replacement, and then the questions of each."""
    rng = np.random.default_rng(0)
    means = [
        np.mean([rng.choice(by_seed[i], len(by_seed[i])).mean() for i in drawn])
        for drawn in rng.integers(len(by_seed), size=(NUM_RESAMPLES, len(by_seed)))
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _each_run(runs: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| arm | seed | version | held out: sampled | greedy | majority of 8 | other domains: "
        "sampled | samples | seconds: sampling, trainer, in all |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in sorted(runs, key=lambda r: (r["arm"] != "none", list(COLORS).index(r["arm"]))):
        for entry in run["versions"]:
            cells = [_cell(numbers(entry, "heldout", m)) for m in (SAMPLED, GREEDY, MAJORITY)]
            cells.append(_cell(numbers(entry, "cross", SAMPLED)) if "cross" in entry else "")
            cells += ["", ""]
            if entry is run["versions"][-1]:
                s = run["seconds"]
                total = sum(s[k] for k in s if k != "trainer")
                cells[-2] = str(run["samples"])
                cells[-1] = f"{s.get('sampling', 0):.0f}, {s['trainer']:.0f}, {total:.0f}"
            row = [run["arm"], str(run["seed"]), entry["version"], *cells]
            lines.append("| " + " | ".join(row) + " |")
    return lines


def _comparisons(runs: Sequence[dict[str, Any]]) -> list[str]:
    all_runs = Runs(runs)
    lines = ["| what | each seed | mean, 95 % interval |", "|---|---|---|"]

    def add(what: str, arms: Sequence[str], difference: Callable[[int], Numbers]) -> None:
        seeds = all_runs.complete(*arms)
        if not seeds:
            return
        by_seed = [difference(seed) for seed in seeds]
        each = ", ".join(f"{d.mean():+.3f}" for d in by_seed)
        low, high = two_level_interval(by_seed)
        mean = np.mean([d.mean() for d in by_seed])
        lines.append(f"| {what} | {each} | {mean:+.3f} [{low:+.3f}, {high:+.3f}] |")

    def last(arm: str, seed: int, name: str = SAMPLED, half: str = "heldout") -> Numbers:
        return numbers(all_runs.entries(arm, seed)[-1], half, name)

    def first(seed: int, name: str = SAMPLED, half: str = "heldout") -> Numbers:
        return numbers(all_runs.entries("none", seed)[0], half, name)

    for arm in all_runs.arms:
        title = NAMES[arm]
        add(
            f"{title} against no update, sampled",
            [arm],
            lambda s, arm=arm: last(arm, s) - first(s),
        )
        add(
            f"{title} against no update, greedy",
            [arm],
            lambda s, arm=arm: last(arm, s, GREEDY) - first(s, GREEDY),
        )
        add(
            f"{title}: one sample after, against the majority of 8 before",
            [arm],
            lambda s, arm=arm: last(arm, s) - first(s, MAJORITY),
        )
        add(
            f"{title}: other domains, sampled",
            [arm],
            lambda s, arm=arm: last(arm, s, SAMPLED, "cross") - first(s, SAMPLED, "cross"),
        )
    for other in ("noise", "random", "majority"):
        add(
            f"EMPO against {NAMES[other]}, sampled",
            ["prob", other],
            lambda s, other=other: last("prob", s) - last(other, s),
        )
    return lines


def _cell(values: Numbers) -> str:
    low, high = bootstrap_interval(values.tolist())
    return f"{values.mean():.3f} [{low:.2f}, {high:.2f}]"


def _plot(runs: Sequence[dict[str, Any]], file: Path) -> None:
    """Thin: each seed. Thick: their mean."""
    all_runs = Runs(runs)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for arm in all_runs.arms:
        curves = []
        for seed in all_runs.complete(arm):
            entries = all_runs.entries(arm, seed)
            x = [entry["updates"] for entry in entries]
            y = [numbers(entry, "heldout", SAMPLED).mean() for entry in entries]
            axes.plot(x, y, color=COLORS[arm], lw=0.8, alpha=0.5)
            curves.append((x, y))
        if curves and len({len(x) for x, _ in curves}) == 1:
            # A run that found nothing more in the band ended an update or two sooner.
            x, y = np.mean(curves, axis=0)
            axes.plot(x, y, "o-", color=COLORS[arm], lw=2.2, ms=4, label=NAMES[arm])
    before = [numbers(all_runs.entries("none", s)[0], "heldout", MAJORITY) for s in all_runs.seeds]
    level = float(np.mean([m.mean() for m in before]))
    axes.axhline(level, color=COLORS["none"], lw=1, ls="--", label="majority of 8, no update")
    axes.set_ylim(0, 1)
    axes.set_xlabel("updates")
    axes.set_ylabel("held-out sampled accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    save_svg(figure, file)


def save_svg(figure: Figure, file: Path) -> None:
    """The same bytes for the same figure."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": file.stem}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
