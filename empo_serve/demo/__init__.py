"""`empo-serve demo`: a client that plays traffic at a server and measures what it learns.

It starts `empo-serve serve` as a user would and speaks only HTTP to it. The server's own loop
decides when to sample, to train and to swap. Reading order: run.py (the story), client.py
(requests), watch.py (the admin API), measure.py, report.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DEFAULT_UPDATES = 10
DEFAULT_MINUTES = 12.0


def main(
    traffic: Path | None = None,
    report_dir: Path = Path("demo-report"),
    updates: int | None = None,
    minutes: float = DEFAULT_MINUTES,
    overrides: Sequence[str] = (),
) -> int:
    """Run the demo and write `report_dir`/report.json and report.html.

    `traffic` is a JSON-lines file (None: the bundled capital cities), `updates` the number of new
    versions to reach, `minutes` a limit for the whole run, start-up included. `overrides` are
    `section.key=value` settings for the server, as `--set` takes them.

    Returns the exit code: 0 if the story was told to its end with no failed request, else 1.
    Raises ConfigError for bad arguments and StartupError if the server does not come up.
    """
    # Here, not above: `empo-serve --help` must not pay for the OpenAI SDK.
    from empo_serve.demo.run import run_demo

    return run_demo(
        traffic, report_dir, DEFAULT_UPDATES if updates is None else updates, minutes, overrides
    )
