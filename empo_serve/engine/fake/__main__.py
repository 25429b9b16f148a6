"""Command line of the fake engine."""

from __future__ import annotations

import argparse
from dataclasses import fields

from aiohttp import web

from empo_serve.engine.fake.server import FakeEngine, Knobs

_HELP = {
    "model": "name of the base model",
    "max_model_len": "longest context in tokens",
    "max_num_seqs": "sequences that run at once; the others wait by priority",
    "max_lora_rank": "an adapter of a higher rank does not load",
    "seed": "answers are a function of seed, adapter and prompt",
    "min_tokens": "every answer goes on for at least this many tokens",
    "tokens_per_s": "speed of each sequence; 0 is as fast as possible",
    "first_token_s": "seconds before the first token",
    "busy_s": "seconds for which each request keeps the whole process busy, as on a CPU",
    "fail_rate": "share of the requests that get a 500",
    "load_delay_s": "seconds that loading an adapter takes",
    "fail_load": "the first N loads get a 500",
    "hang_after": "requests after the first N get no answer",
    "die_after": "the process exits at the request after the first N",
}
_TYPES = {"str": str, "int": int, "float": float, "int | None": int}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m empo_serve.engine.fake")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    for knob in fields(Knobs):
        is_required = knob.name == "model"
        parser.add_argument(
            f"--{knob.name.replace('_', '-')}",
            type=_TYPES[str(knob.type)],
            required=is_required,
            default=None if is_required else knob.default,
            help=_HELP[knob.name],
        )
    args = vars(parser.parse_args())
    host, port = args.pop("host"), args.pop("port")
    engine = FakeEngine(Knobs(**args))
    # As vLLM does by default: what is in flight at the end is cut.
    web.run_app(
        engine.app(),
        host=host,
        port=port,
        backlog=2048,
        handler_cancellation=True,
        shutdown_timeout=0.1,
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()
