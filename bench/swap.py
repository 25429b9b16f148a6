"""Versions are swapped and rolled back under load: what do users notice?

Requests come at random moments at a fixed mean rate, half of them streams. Counted: failed ones
(any status but 200, a cut stream, an error event), answers that no single version gives (mixed),
answers of a version that was not live (wrong), and requests that were delayed more than twice the
median of their kind in the quiet phases (paused). Which version answered is read from the text.

    python bench/swap.py --engine fake              # 200 swaps, about 4 minutes
    python bench/swap.py --engine real              # 20 swaps, about 5 minutes
    python bench/swap.py --engine real --ttft       # time to first token, about 10 minutes

--ttft: streams that share a system prompt of about 1,000 tokens, in phases with and without swaps
that take turns, first with warming of the prefix cache and then without it. Those that were sent
while a version was being loaded and warmed are counted once more by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served
from swap_load import Record, Traffic, Verdict, judge, paused
from swap_server import FAKE, SETTINGS, Swaps, SwapServer

PROMPTS = [
    f"What is the capital of {country}? Answer with only the name of the city."
    for country in ("France", "Japan", "Peru", "Kenya")
]
# About 1,000 tokens of SmolLM2's tokenizer.
SYSTEM = "You help travellers to find their way. " + " ".join(
    f"Rule {number}: name the city first, then the country, and add nothing that was not asked for."
    for number in range(1, 46)
)


def settings(options: argparse.Namespace, warm_prefixes: int = 8) -> tuple[str, ...]:
    if options.engine == "fake":
        return (*SETTINGS, *FAKE, f"rollout.warm_prefixes={warm_prefixes}")
    return (
        *SETTINGS,
        *(f"model.path={options.model}", f"model.dtype={options.dtype}"),
        *("engine.max_model_len=2048", "engine.max_num_seqs=16"),
        f"rollout.warm_prefixes={warm_prefixes}",
    )


async def count_errors(options: argparse.Namespace, server: Served) -> bool:
    """Quiet, swaps, quiet. True if nothing was failed, mixed or wrong."""
    body = {"max_tokens": 16}
    is_fake = options.engine == "fake"
    prompts = PROMPTS if is_fake else PROMPTS[:2]
    setup = SwapServer(server, prompts, body, num_versions=12 if is_fake else 4)
    traffic = Traffic(setup.client, prompts, options.rate)
    try:
        await setup.open()
        quiet = await traffic.run_for(options.quiet_s)
        stop = asyncio.Event()
        sending = asyncio.create_task(traffic.run(stop))
        swaps = await setup.swap(options.swaps, options.pause_s)
        stop.set()
        busy = await sending
        quiet += await traffic.run_for(options.quiet_s)
    finally:
        await setup.close()
    of_busy = judge(busy, setup.expected, setup.live)
    of_quiet = judge(quiet, setup.expected, setup.live)
    probe_failures = [probe for probe in swaps.probes if probe.failure]
    _print_table(
        ["phase", "requests", "across a swap", "failed", "mixed", "wrong version", "paused"],
        [
            ["no swaps", *_counts(of_quiet), paused(quiet, quiet)],
            [f"{swaps.count} swaps", *_counts(of_busy), paused(busy, quiet)],
        ],
    )
    _print_delays(quiet, busy)
    _print_swaps(swaps)
    for record in [*of_busy.failed, *of_quiet.failed, *probe_failures][:5]:
        print(f"failed: {record}")
    for record in [*of_busy.mixed, *of_quiet.mixed, *of_busy.wrong, *of_quiet.wrong][:5]:
        print(f"mixed or wrong: {record}; expected one of {setup.expected[record.prompt]}")
    return of_busy.is_clean and of_quiet.is_clean and not probe_failures


async def time_to_first_token(
    options: argparse.Namespace, server: Served
) -> dict[str, list[Record]]:
    """Phases without and with swaps take turns. The streams of each kind of phase."""
    body = {"max_tokens": 4, "messages": [{"role": "system", "content": SYSTEM}]}
    # No two users ask the same: only the system prompt can be in the cache.
    prompts = [f"Question {number}. {random.choice(PROMPTS)}" for number in range(10_000, 99_999)]
    setup = SwapServer(server, PROMPTS, body, num_versions=4)
    traffic = Traffic(setup.client, prompts, options.rate, stream_share=1.0)
    quiet: list[Record] = []
    busy: list[Record] = []
    promotions: list[tuple[float, float]] = []
    try:
        await setup.open(learn=False)
        await traffic.run_for(options.quiet_s / 2)  # the cache is as full as in daily use
        for _ in range(options.rounds):
            quiet += await traffic.run_for(options.quiet_s)
            stop = asyncio.Event()
            sending = asyncio.create_task(traffic.run(stop))
            ends = time.perf_counter() + options.quiet_s
            while time.perf_counter() < ends:
                called = time.perf_counter()
                await setup.promote_next()
                promotions.append((called, time.perf_counter()))
                await asyncio.sleep(options.pause_s)
            stop.set()
            busy += await sending
    finally:
        await setup.close()
    meanwhile = [r for r in busy if any(a <= r.sent <= b for a, b in promotions)]
    return {
        "no swaps": quiet,
        f"{len(promotions)} swaps": busy,
        "of these, during a promotion": meanwhile,
    }


def _counts(verdict: Verdict) -> list[int]:
    wrong = [len(records) for records in (verdict.failed, verdict.mixed, verdict.wrong)]
    return [verdict.total, verdict.across, *wrong]


def _print_delays(quiet: Sequence[Record], busy: Sequence[Record]) -> None:
    rows = []
    for name, is_stream in (("longest silence of a stream", True), ("whole answer", False)):
        for phase, records in (("no swaps", quiet), ("swaps", busy)):
            delays = [1000 * r.delay for r in records if r.is_stream is is_stream]
            p99 = percentile(delays, 0.99)
            row = [name, phase, f"{percentile(delays, 0.5):.0f}", f"{p99:.0f}"]
            rows.append([*row, f"{max(delays):.0f}"])
    _print_table(["ms", "phase", "p50", "p99", "max"], rows)


def _print_swaps(swaps: Swaps) -> None:
    rows = []
    for name, seconds in (
        ("promote to first answer", swaps.first_answer_seconds),
        ("promote or rollback, the call", swaps.call_seconds),
    ):
        values = [f"{percentile(seconds, share):.3f}" for share in (0.5, 0.99)]
        rows.append([name, len(seconds), *values])
    _print_table(["seconds", "of", "p50", "p99"], rows)


def percentile(values: Sequence[float], share: float) -> float:
    """Interpolated; NaN without values."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def _print_table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for row in (heading, ["---"] * len(heading), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def run_ttft(options: argparse.Namespace, folder: Path) -> bool:
    """True if no stream failed."""
    is_clean = True
    for warm in options.warm_prefixes:
        server = Served(folder / f"warm{warm}", *settings(options, warm)).wait_ready(600)
        try:
            phases = asyncio.run(time_to_first_token(options, server))
        finally:
            server.stop()
        rows = []
        for phase, records in phases.items():
            failed = [record for record in records if record.failure]
            is_clean &= not failed
            if failed:
                print(f"{len(failed)} failed: {failed[:3]}")
            seconds = [record.first - record.sent for record in records if not record.failure]
            values = [f"{1000 * percentile(seconds, share):.0f}" for share in (0.5, 0.9, 0.99)]
            rows.append([warm, phase, len(seconds), *values])
        _print_table(["warm_prefixes", "phase", "streams", "p50 ms", "p90 ms", "p99 ms"], rows)
    return is_clean


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=("fake", "real"), default="fake")
    parser.add_argument("--model", default="demo", help="model.path of the real engine")
    parser.add_argument("--dtype", help="model.dtype of the real engine")
    parser.add_argument("--ttft", action="store_true", help="time to first token across swaps")
    parser.add_argument("--swaps", type=int, help="default: 200 fake, 20 real")
    parser.add_argument("--rate", type=float, help="requests per second")
    parser.add_argument("--pause-s", type=float, help="between two swaps")
    parser.add_argument("--quiet-s", type=float, help="length of a phase without swaps")
    parser.add_argument("--warm-prefixes", type=int, nargs="+", default=[8, 0], help="of --ttft")
    parser.add_argument("--rounds", type=int, default=3, help="of --ttft: pairs of phases")
    options = parser.parse_args()
    is_fake = options.engine == "fake"
    options.swaps = options.swaps or (200 if is_fake else 20)
    options.rate = options.rate or (30.0 if is_fake else 0.7)
    options.pause_s = options.pause_s or (0.6 if is_fake else 5.0)
    options.quiet_s = options.quiet_s or (20.0 if is_fake else 30.0)
    # In bfloat16 a greedy answer depends on what else is in the batch, so no text is a version's.
    options.dtype = options.dtype or ("auto" if options.ttft else "float32")
    # So that the server is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if options.ttft:
            is_clean = run_ttft(options, Path(folder))
        else:
            server = Served(Path(folder) / "data", *settings(options)).wait_ready(600)
            try:
                is_clean = asyncio.run(count_errors(options, server))
            finally:
                server.stop()
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(0 if is_clean else 1)


if __name__ == "__main__":
    main()
