"""How many questions does a served model answer right? Greedy pass@1, pass@1 and pass@k of samples,
and majority@n, with 95 % intervals, for any files of questions with gold answers.

    python bench/evaluate.py math500.jsonl amc23.jsonl --out v0.jsonl --version v0 \\
        --template boxed --max-tokens 3072 --num-samples 16

Lines are {"id", "question" or "prompt", "gold": [...]}. One row for each file, and an average in
which each file counts the same. Works with any OpenAI-compatible server; on ours no question is
stored or learned from (`--learn no`). Answers are appended to `--out` as they come: after Ctrl-C or
a failure the same command goes on where it was. A failed request is no wrong answer: it is left
out, counted, and asked again by the next run; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import openai
from answers import AnswerFile, Kind, Server, Settings, one_line
from grading import Grader
from questions import BOXED, Question, Template, read_questions
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from table import average_row, grade_file, show, write_report

from empo_serve.errors import ConfigError, EmpoError

TEMPLATES = {"plain": Template(), "boxed": Template(system=BOXED)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 where a request failed, 2 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return _evaluate(options)
    except EmpoError as e:
        print(f"evaluate: {e}", file=sys.stderr)
        return 2 if isinstance(e, ConfigError) else 1
    except KeyboardInterrupt:
        print(
            f"evaluate: interrupted; the same command goes on from {options.out}", file=sys.stderr
        )
        return 130


def _evaluate(options: argparse.Namespace) -> int:
    files = _read_files(options.files, options.limit)
    questions = [question for file in files.values() for question in file]
    api_key = _api_key(options.api_key_env)
    settings = _settings(options, api_key)
    kinds: tuple[Kind, ...] = ("greedy", "sampled") if settings.num_samples else ("greedy",)
    k = options.k or settings.num_samples
    if k > settings.num_samples:
        raise ConfigError(f"--k {k} needs --num-samples {k} or more")
    with AnswerFile(options.out, settings) as answers, _progress() as progress:
        missing = [(q, kind) for q in questions for kind in kinds if answers.find(q, kind) is None]
        task = progress.add_task("asking", total=len(missing))
        server = Server(options.base_url, api_key, settings, learn=options.learn == "yes")
        errors = asyncio.run(
            ask_all(server, answers, missing, options.concurrency, lambda: progress.advance(task))
        )
        task = progress.add_task("grading", total=len(questions))
        grader = Grader(options.grade, options.grade_workers)
        try:
            rows = [
                grade_file(name, file, answers, grader, k, kinds, lambda: progress.advance(task))
                for name, file in files.items()
            ]
        finally:
            grader.close()
        found = [answers.find(question, kind) for question in questions for kind in kinds]
    if len(rows) > 1:
        rows.append(average_row(rows))
    show(rows, settings.num_samples)
    counts = Counter(answered.version for answered in found if answered and answered.version)
    served = ", ".join(f"{version} ({count} requests)" for version, count in counts.items())
    print(f"answered by {settings.model}{f', version {served}' if served else ''}")
    if len(counts) > 1:
        print("a new version went live meanwhile: give --version for the numbers of one")
    if options.report:
        write_report(options.report, rows, asdict(settings), counts)
    if errors:
        print(
            f"evaluate: {len(errors)} requests failed and are left out (the first: {errors[0]}); "
            "the same command asks them again",
            file=sys.stderr,
        )
    return 1 if errors else 0


def _settings(options: argparse.Namespace, api_key: str) -> Settings:
    template = TEMPLATES[options.template]
    return Settings(
        model=options.model or asyncio.run(_first_model(options.base_url, api_key)),
        version=options.version,
        system=template.system if options.system is None else options.system,
        suffix=template.suffix if options.suffix is None else options.suffix,
        max_tokens=options.max_tokens,
        num_samples=options.num_samples,
        temperature=options.temperature,
    )


def _api_key(variable: str | None) -> str:
    if variable is None:
        return ""
    if not (key := os.environ.get(variable)):
        raise ConfigError(f"the variable {variable} of --api-key-env is not set")
    return key


async def _first_model(base_url: str, api_key: str) -> str:
    server = Server(base_url, api_key, settings=None)
    try:
        return await server.first_model()
    finally:
        await server.close()


async def ask_all(
    server: Server,
    answers: AnswerFile,
    missing: Sequence[tuple[Question, Kind]],
    concurrency: int,
    advance: Callable[[], None],
) -> list[str]:
    """Ask for all that is missing; returns one line for each request that failed.

    Raises EmpoError where no request can succeed.
    """
    errors: list[str] = []
    waiting = iter(missing)

    async def work() -> None:
        for question, kind in waiting:
            try:
                answers.add(await server.ask(question, kind))
            except openai.OpenAIError as e:
                errors.append(f"{question.file} {question.id} {kind}: {one_line(e)}")
            advance()

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                tasks.create_task(work())
    except* EmpoError as group:
        refused = group
    else:
        return errors
    finally:
        await server.close()
    raise refused.exceptions[0]


def _read_files(paths: Sequence[Path], limit: int | None) -> dict[str, list[Question]]:
    files: dict[str, list[Question]] = {}
    for path in paths:
        if path.stem in files:
            raise ConfigError(f"two files are called {path.stem}: rename one")
        files[path.stem] = read_questions(path, needs_gold=True)[:limit]
    return files


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="JSON lines of questions with gold")
    add("--out", type=Path, required=True, metavar="FILE", help="answers so far; goes on from them")
    add("--base-url", default="http://127.0.0.1:8000/v1", metavar="URL", help="%(default)s")
    add("--model", help="default: the first that the server names")
    add("--version", help="an adapter version of empo-serve, such as v3; default: the live one")
    add("--api-key-env", metavar="NAME", help="environment variable that holds the API key")
    add("--learn", choices=["no", "yes"], default="no", help="may the server learn from it? (no)")
    add(
        "--template",
        choices=sorted(TEMPLATES),
        default="plain",
        help=f"plain: the question alone. boxed: with the system prompt {BOXED!r}",
    )
    add("--system", metavar="TEXT", help="another system prompt")
    add("--suffix", metavar="TEXT", help="a line after each question")
    add("--max-tokens", type=_positive, default=1024, metavar="N", help="%(default)s")
    add(
        "--num-samples",
        type=whole,
        default=8,
        metavar="N",
        help="samples of each question beside its greedy answer; 0: none (default: %(default)s)",
    )
    add("--temperature", type=float, default=1.0, help="of the samples (default: %(default)g)")
    add("--k", type=_positive, help="for pass@k (default: --num-samples)")
    add("--limit", type=_positive, metavar="N", help="only the first N questions of each file")
    add(
        "--concurrency",
        type=_positive,
        default=16,
        metavar="N",
        help="requests at once (%(default)s)",
    )
    add(
        "--grade",
        choices=["equivalence", "substring"],
        default="equivalence",
        help="equivalence: the final answer equals a gold answer, mathematics by math-verify. "
        "substring: the text contains one, for answers of a word or two (default: %(default)s)",
    )
    add("--grade-workers", type=_positive, default=1, metavar="N", help="processes for math-verify")
    add("--report", type=Path, metavar="FILE", help="also write the numbers as JSON")
    return parser


def whole(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}")
    return int(text)


def _positive(text: str) -> int:
    return whole(text, least=1)


if __name__ == "__main__":
    sys.exit(main())
