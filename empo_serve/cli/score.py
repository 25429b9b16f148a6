"""`empo-serve score`: JSON lines in, JSON lines out."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from empo_serve.buffer import band
from empo_serve.config import SemanticsSection, load_config
from empo_serve.engine.endpoint import Endpoint
from empo_serve.errors import ConfigError
from empo_serve.metrics import Metrics
from empo_serve.semantics import filter as semantics_filter
from empo_serve.semantics.judge import Ask
from empo_serve.semantics.judging import Judge


def score(options: argparse.Namespace) -> int:
    overrides = list(options.set)
    if options.equivalence:
        overrides.append(f"semantics.equivalence={options.equivalence}")
    config = load_config(options.config, overrides)
    section = config.semantics

    def decide(semantic_ids: Sequence[int], answers: Sequence[str]) -> str:
        return band.decide(semantic_ids, answers, config.band).value

    with _lines(options.file) as lines, _asking(options.kind, section) as ask:
        return semantics_filter.run(options.kind, lines, sys.stdout, section, decide, ask)


@contextmanager
def _lines(file: str) -> Iterator[Iterator[str]]:
    # A byte that is no UTF-8 spoils its own line, not the stream.
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
        yield sys.stdin
        return
    try:
        lines = open(file, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - closed below
    except OSError as e:
        raise ConfigError(f"cannot read {Path(file)}: {e.strerror}") from e
    with lines:
        yield lines


@contextmanager
def _asking(kind: str, section: SemanticsSection) -> Iterator[Ask | None]:
    """How to ask the judge; None where none takes part. No server runs here, so it needs an URL."""
    if kind == "extract" or section.equivalence not in ("auto", "judge"):
        yield None
        return
    if not section.judge_url:
        if section.equivalence == "judge":
            raise ConfigError(
                "no server runs here that could judge: give --set semantics.judge_url=URL and "
                "--set semantics.judge_model=NAME of an OpenAI-compatible endpoint"
            )
        yield None
        return
    with asyncio.Runner() as runner:
        endpoint = runner.run(_open(section))
        try:
            judge = Judge(section, endpoint, Metrics())
            check = runner.run(judge.check())
            judge.accept(check)
            part = "takes part" if judge.takes_part else "takes no part"
            print(f"empo-serve: the judge {judge.name} {part}: {check}", file=sys.stderr)

            def ask(question: str, pairs: list[tuple[str, str]]) -> list[float | None]:
                return runner.run(judge.ask(question, pairs))

            yield ask if judge.takes_part else None
        finally:
            runner.run(endpoint.close())


async def _open(section: SemanticsSection) -> Endpoint:
    return Endpoint(section.judge_url, section.judge_model, section.judge_api_key_env)
