"""The command line. Exit codes: 0 success, 2 bad usage or configuration, 1 any other failure.

Nothing heavy is imported before a command runs, so that `--help` is instant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from empo_serve import __version__
from empo_serve.errors import ConfigError, EmpoError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `empo-serve`."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.run(options))
    except ConfigError as e:
        print(f"empo-serve: {e}", file=sys.stderr)
        sys.exit(2)
    except EmpoError as e:
        print(f"empo-serve: {e}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left, as `head` does. Python would complain once more at exit.
        sys.stderr.close()
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="empo-serve",
        description="An OpenAI-compatible inference server that improves on its own traffic.",
    )
    parser.add_argument("--version", action="version", version=f"empo-serve {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration file")
    configured.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="override one configuration value; may be given again",
    )

    serve = commands.add_parser("serve", parents=[configured], help="run the server")
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="watch a small real model improve on its own traffic")
    demo.add_argument("--traffic", type=Path, metavar="FILE", help="JSON lines; default: bundled")
    demo.add_argument(
        "--report-dir", type=Path, default=Path("demo-report"), metavar="DIR", help="%(default)s"
    )
    demo.add_argument("--updates", type=int, metavar="N", help="stop after N new versions")
    demo.add_argument(
        "--minutes", type=float, default=12.0, help="time to spend at most (default: %(default)g)"
    )
    demo.add_argument("--set", action="append", default=[], metavar="section.key=value",
                      help="override one value of the demo's configuration")  # fmt: skip
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train one job directory; used by the server")
    train.add_argument("job_dir", type=Path, metavar="JOB_DIR")
    train.set_defaults(run=_train)

    score = commands.add_parser(
        "score", parents=[configured], help="the semantic layer as a filter of JSON lines"
    )
    score.add_argument("kind", choices=["groups", "pairs", "extract"])
    score.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdin")
    score.add_argument("--equivalence", choices=["auto", "rules", "embedding", "nli", "judge"])
    score.set_defaults(run=_score)

    adapters = commands.add_parser("adapters", help="adapter versions of a running server")
    actions = adapters.add_subparsers(metavar="ACTION", required=True, dest="action")
    actions.add_parser("list", parents=[configured], help="all versions").set_defaults(
        run=_adapters
    )
    for action, text in (
        ("show", "one version with its gate verdict"),
        ("promote", "make a version live"),
        ("rollback", "take the live version back; the one before it answers again"),
        ("pin", "make a version live and promote nothing until unpin"),
        ("unpin", "let new versions go live again"),
    ):
        sub = actions.add_parser(action, parents=[configured], help=text)
        optional = action in ("rollback", "unpin")
        sub.add_argument(
            "adapter",
            nargs="?" if optional else None,
            metavar="VERSION",
            help="such as v3; may be left out" if optional else "such as v3",
        )
        sub.set_defaults(run=_adapters)
    sub = actions.add_parser(
        "import", parents=[configured], help="an adapter trained elsewhere: same gate and rollout"
    )
    sub.add_argument("adapter", metavar="DIR")
    sub.set_defaults(run=_adapters)

    buffer = commands.add_parser("buffer", help="the stored groups of a running server")
    actions = buffer.add_subparsers(metavar="ACTION", required=True, dest="action")
    for action, text in (("stats", "rows by state"), ("export", "all groups as JSON lines")):
        sub = actions.add_parser(action, parents=[configured], help=text)
        sub.set_defaults(run=_buffer)
    sub = actions.add_parser("delete", parents=[configured], help="delete a stored query")
    sub.add_argument("query_id", metavar="QUERY_ID")
    sub.set_defaults(run=_buffer)

    config = commands.add_parser("config", help="the configuration")
    actions = config.add_subparsers(metavar="ACTION", required=True, dest="action")
    for action, text in (("show", "resolved, as TOML"), ("check", "check only")):
        sub = actions.add_parser(action, parents=[configured], help=text)
        sub.set_defaults(run=_config)

    keys = commands.add_parser("keys", help="API keys")
    actions = keys.add_subparsers(metavar="ACTION", required=True, dest="action")
    sub = actions.add_parser("new", help="make a random key and its table for the configuration")
    sub.add_argument("name", metavar="NAME", help="who gets the key")
    sub.add_argument(
        "--scope",
        action="append",
        choices=["serve", "learn", "admin"],
        help="what it may do; may be given again (default: serve and learn)",
    )
    sub.set_defaults(run=_keys)

    status = commands.add_parser(
        "status", parents=[configured], help="a running server at a glance"
    )
    status.add_argument("--json", action="store_true", help="everything, as JSON")
    status.set_defaults(run=_status)

    doctor = commands.add_parser("doctor", parents=[configured], help="is this machine set up?")
    doctor.set_defaults(run=_doctor)
    return parser


def _serve(options: argparse.Namespace) -> int:
    import asyncio

    from empo_serve.config import load_config

    config = load_config(options.config, options.set)
    _log_to_stderr(config.telemetry.log_level)
    from empo_serve.supervisor.serve import serve

    asyncio.run(serve(config))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from importlib.util import find_spec

    missing = [name for name in ("openai", "rich", "matplotlib") if find_spec(name) is None]
    if missing:
        raise EmpoError(f"the demo needs {', '.join(missing)}: install empo-serve[demo]")
    from empo_serve import demo

    return demo.main(
        options.traffic, options.report_dir, options.updates, options.minutes, options.set
    )


def _train(options: argparse.Namespace) -> int:
    from empo_serve.train import trainer

    trainer.run(options.job_dir)
    return 0


def _score(options: argparse.Namespace) -> int:
    from empo_serve.cli.score import score

    return score(options)


def _adapters(options: argparse.Namespace) -> int:
    from empo_serve.cli import admin

    return admin.adapters(options)


def _buffer(options: argparse.Namespace) -> int:
    from empo_serve.cli import admin

    return admin.buffer(options)


def _status(options: argparse.Namespace) -> int:
    from empo_serve.cli import admin

    return admin.status(options)


def _config(options: argparse.Namespace) -> int:
    from empo_serve.adapters.probes import read_probes
    from empo_serve.api_keys import read_keys
    from empo_serve.config import load_config, to_toml

    config = load_config(options.config, options.set)
    if options.action == "check":
        read_keys(config.auth.keys, config.auth.keys_file)
        read_probes(config.gate.probes)
    print("ok" if options.action == "check" else to_toml(config), end="\n")
    return 0


def _keys(options: argparse.Namespace) -> int:
    from empo_serve.cli.keys import new

    return new(options.name, options.scope)


def _doctor(options: argparse.Namespace) -> int:
    from empo_serve.cli.doctor import doctor

    return doctor(options)


def _log_to_stderr(level: str) -> None:
    import logging

    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    # Alembic tells every step of a migration; ours is the log that users read.
    logging.getLogger("alembic").setLevel(logging.WARNING)
