"""What the user of the demo sees: bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from empo_serve.demo.watch import Update
from empo_serve.types import UpdateState

PLAIN_WIDTH = 110

COLUMNS = (
    ("sampled_accuracy", "sampled accuracy"),
    ("greedy_accuracy", "greedy accuracy"),
    ("semantic_entropy_norm", "semantic entropy / ln G"),
)


class Screen:
    """Lines above, bars below. Use as a context manager around the whole run."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = PLAIN_WIDTH
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._traffic: TaskID | None = None

    def __enter__(self) -> Screen:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def say(self, text: str, style: str | None = None) -> None:
        self._console.print(escape(text), style=style, soft_wrap=True)

    def server(self, status: dict[str, Any], url: str, log: Path) -> None:
        """What has been started."""
        engine = status["engine"]
        self.say(f"empo-serve {status['empo_serve']} is ready", style="bold")
        self.say(f"  model    {status['model']}, {status['live']} live")
        self.say(f"  engine   {engine['kind']}, vLLM {engine['version']}")
        self.say(f"  API      {url}/v1")
        self.say(f"  data     {status['data_dir']}")
        self.say(f"  log      {log}")

    @contextmanager
    def bar(self, description: str, total: int | None = None) -> Iterator[TaskID]:
        """A bar for as long as the block runs; `total=None` for work of unknown length."""
        if not self._console.is_terminal:
            self.say(f"{description} ...")
        task = self._progress.add_task(description, total=total, note="")
        try:
            yield task
        finally:
            self._progress.remove_task(task)

    def advance(self, task: TaskID) -> None:
        self._progress.advance(task)

    def traffic(self, played: int, round_size: int, note: str) -> None:
        """Move the bar of the traffic; it appears with the first call."""
        if self._traffic is None:
            self._traffic = self._progress.add_task("traffic", total=round_size, note=note)
        self._progress.update(self._traffic, completed=played, total=round_size, note=note)

    def update(self, update: Update) -> None:
        """One line for a training update that ended."""
        line = f"update {update.update_id}: {update.state.lower()}"
        m = update.metrics
        if update.state in (UpdateState.PUBLISHED, UpdateState.REJECTED):
            line += (
                f" · {update.groups} groups · entropy {_number(m['semantic_entropy_mean'])} nats"
                f" · reward {_number(m['reward_mean'])} · KL {_number(m['kl'])}"
                f" · {_number(m['seconds'], 1)} s"
            )
        if update.error:
            line += f" · {update.error}"
        self.say(line, style="red" if update.state == UpdateState.FAILED else None)

    def versions(self, report: dict[str, Any]) -> None:
        """The table at the end: held-out measures of each version with 95 % intervals."""
        table = Table(title="Held-out questions, with 95 % intervals")
        table.add_column("version")
        table.add_column("trained on", justify="right")
        for _, title in COLUMNS:
            table.add_column(title, justify="right")
        for entry in report["versions"]:
            cells = []
            for name, _ in COLUMNS:
                low, high = entry["intervals"]["heldout"][name]
                cells.append(f"{entry['heldout'][name]:.2f}  [{low:.2f}, {high:.2f}]")
            table.add_row(entry["version"], f"{entry['trained_groups']} groups", *_escaped(cells))
        self._console.print(table)


def _escaped(cells: list[str]) -> list[str]:
    return [escape(cell) for cell in cells]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
