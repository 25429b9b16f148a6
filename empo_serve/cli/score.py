"""`empo-serve score`: JSON lines in, JSON lines out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from empo_serve.buffer import band
from empo_serve.config import SemanticsSection, load_config
from empo_serve.errors import ConfigError
from empo_serve.semantics import filter as semantics_filter


def score(options: argparse.Namespace) -> int:
    config = load_config(options.config, options.set)
    section = config.semantics
    if options.equivalence:
        section = SemanticsSection(**(section.model_dump() | {"equivalence": options.equivalence}))

    def decide(semantic_ids: Sequence[int], answers: Sequence[str]) -> str:
        return band.decide(semantic_ids, answers, config.band).value

    if options.file == "-":
        # A byte that is no UTF-8 spoils its own line, not the stream.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
        return semantics_filter.run(options.kind, sys.stdin, sys.stdout, section, decide)
    path = Path(options.file)
    try:
        lines = open(path, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - closed below
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
    with lines:
        return semantics_filter.run(options.kind, lines, sys.stdout, section, decide)
