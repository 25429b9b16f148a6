"""Versions are swapped and rolled back while users ask: the short form of bench/swap.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from serving import Served
from swap_load import LiveTimes, Record, Traffic, judge
from swap_server import SETTINGS, SwapServer

pytestmark = pytest.mark.slow

# An answer takes 0.12 s: long enough to be running when the version changes.
FAKE = ("engine.kind=fake", 'engine.args=["--tokens-per-s", "100"]')
PROMPTS = ["What is the capital of France?", "What is the capital of Peru?"]


async def swap_under_load(
    server: Served, num_versions: int, swaps: int, rate: float, pause_s: float
) -> None:
    setup = SwapServer(server, PROMPTS, {"max_tokens": 12}, num_versions)
    try:
        await setup.open()
        stop = asyncio.Event()
        sending = asyncio.create_task(Traffic(setup.client, PROMPTS, rate).run(stop))
        made = await setup.swap(swaps, pause_s)
        stop.set()
        records = await sending
    finally:
        await setup.close()
    verdict = judge(records, setup.expected, setup.live)
    assert verdict.is_clean, [*verdict.failed, *verdict.mixed, *verdict.wrong][:3]
    assert not [probe for probe in made.probes if probe.failure]
    assert made.count == swaps
    assert made.rollbacks
    assert verdict.across, "no request ran while a switch was made: this proved nothing"


def test_swaps_under_load_fail_mix_and_misroute_nothing(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", *SETTINGS, *FAKE).wait_ready()
    try:
        asyncio.run(swap_under_load(server, num_versions=3, swaps=10, rate=30.0, pause_s=0.1))
    finally:
        assert server.stop() == 0


@pytest.mark.vllm
@pytest.mark.timeout(400)
def test_swaps_under_load_of_real_vllm_fail_mix_and_misroute_nothing(
    tmp_path: Path, demo_model_dir: Path
) -> None:
    # In float32 a greedy answer does not depend on what else is in the batch.
    real = (f"model.path={demo_model_dir}", "model.dtype=float32", "engine.max_model_len=256")
    server = Served(tmp_path / "data", *SETTINGS, *real, "engine.max_num_seqs=16").wait_ready(300)
    try:
        asyncio.run(swap_under_load(server, num_versions=3, swaps=3, rate=4.0, pause_s=1.0))
    finally:
        assert server.stop() == 0


# The judge itself.

EXPECTED = {"q": {"v1": "alpha alpha", "v2": "bravo bravo"}}


def record(text: str, sent: float, first: float, failure: str = "") -> Record:
    return Record("q", True, sent, first, first + 1.0, 0.0, text, failure)


def test_the_judge_sees_failed_mixed_and_wrong_answers() -> None:
    live = LiveTimes("v1")
    live.switched("v2", called=10.0, answered=11.0)
    fine = [
        record("alpha alpha", 9.0, 9.5),
        record("alpha alpha", 10.9, 12.0),  # it began before the switch was surely made
        record("bravo bravo", 10.5, 10.6),
        record("bravo bravo", 50.0, 51.0),
    ]
    assert judge(fine, EXPECTED, live).is_clean
    assert judge(fine, EXPECTED, live).across == 3  # the first one too ended after the call
    bad = judge(
        [
            record("alpha alpha", 11.1, 11.5),
            record("bravo bravo", 8.0, 9.9),
            record("alpha bravo", 10.5, 10.6),
            record("alpha", 9.0, 9.5, "the stream was cut"),
        ],
        EXPECTED,
        live,
    )
    assert [len(bad.wrong), len(bad.mixed), len(bad.failed)] == [2, 1, 1]
