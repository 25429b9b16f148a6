"""Groups that cannot be admitted any more get no further samples; all others get every one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serving import Served

from empo_serve.buffer.early_stop import EarlyStop
from empo_serve.config import BandSection

pytestmark = pytest.mark.slow

# The fake engine has no favourite answer to a quarter of all prompts.
QUESTIONS = [f"Which word is number {number}?" for number in range(48)]


def sampled(data_dir: Path, *settings: str) -> tuple[list[dict[str, Any]], float]:
    """The stored groups of QUESTIONS, and the count of samples that were not drawn."""
    server = Served(
        data_dir,
        *("engine.kind=fake", "semantics.equivalence=rules", "train.enabled=false"),
        *settings,
    ).wait_ready()
    try:
        rows = server.groups_of(QUESTIONS)
        return rows, server.metric("empo_samples_saved_total")
    finally:
        assert server.stop() == 0, server.log.read_text()


def test_only_hopeless_groups_are_cut_short_and_what_they_save_is_counted(tmp_path: Path) -> None:
    rows, saved = sampled(tmp_path / "data")
    stop = EarlyStop(BandSection(), 8, risk=0)
    cut = [row for row in rows if len(row["samples"]) < 8]
    assert cut
    for row in cut:
        ids, answers = row["semantic_ids"], [sample["answer"] for sample in row["samples"]]
        assert row["band"] == "too_uncertain"
        assert stop.is_hopeless(ids, answers)
        assert len(ids) in stop.rounds
    assert {len(row["samples"]) for row in rows if row["band"] == "admitted"} == {8}
    assert saved == sum(8 - len(row["samples"]) for row in rows)


def test_without_it_every_group_gets_all_its_samples(tmp_path: Path) -> None:
    rows, saved = sampled(tmp_path / "data", "sampling.early_stop=false")
    assert {len(row["samples"]) for row in rows} == {8}
    assert saved == 0


def test_a_risk_cuts_groups_that_might_still_have_been_admitted(tmp_path: Path) -> None:
    rows, _ = sampled(tmp_path / "data", "sampling.early_stop_risk=0.3")
    exact = EarlyStop(BandSection(), 8, risk=0)
    cut = [row for row in rows if len(row["samples"]) < 8]
    assert not all(
        exact.is_hopeless(row["semantic_ids"], [s["answer"] for s in row["samples"]]) for row in cut
    )
    assert "admitted" not in {row["band"] for row in cut}
