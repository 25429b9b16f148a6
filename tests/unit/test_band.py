from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from empo_serve.buffer.band import decide
from empo_serve.config import BandSection
from empo_serve.types import BandDecision

GOLDEN: dict[str, Any] = {
    case["id"]: case
    for case in json.loads((Path(__file__).parent / "golden/semantics.json").read_text())["cases"]
}
WIDE = BandSection(low=0.0, high=1.0, min_largest_cluster=0.0)


def ids_of(sizes: list[int]) -> list[int]:
    return [i for i, size in enumerate(sizes) for _ in range(size)]


def decision_for(sizes: list[int], section: BandSection) -> BandDecision:
    ids = ids_of(sizes)
    return decide(ids, [f"answer {i}" for i in ids], section)


@pytest.mark.parametrize(
    "row",
    GOLDEN["partition_table_G8"]["expected"]["rows"],
    ids=lambda row: "+".join(map(str, row["cluster_sizes"])),
)
def test_every_partition_of_eight(row: dict[str, Any]) -> None:
    sizes = row["cluster_sizes"]
    section = BandSection()
    if len(sizes) == 8:
        expected = BandDecision.TOO_UNCERTAIN
    elif len(sizes) == 1:
        expected = BandDecision.TOO_CERTAIN
    elif row["zero_signal"]:
        expected = BandDecision.NO_SIGNAL
    elif row["H_norm"] > section.high:
        expected = BandDecision.TOO_UNCERTAIN
    elif row["max_p"] < section.min_largest_cluster:
        expected = BandDecision.NO_CONSENSUS
    else:
        expected = BandDecision.ADMITTED
    assert decision_for(sizes, section) is expected


def test_selection_of_the_paper() -> None:
    case = GOLDEN["entropy_band_selection"]
    section = BandSection(
        low=case["inputs"]["delta_low_norm"],
        high=case["inputs"]["delta_high_norm"],
        min_largest_cluster=0.0,
    )
    for name, ids in case["inputs"]["groups"].items():
        decision = decide(ids, ["x"] * len(ids), section)
        assert (decision is BandDecision.ADMITTED) == case["expected"]["keep"][name], name


def test_a_group_that_the_reference_drops_for_want_of_a_consensus_is_not_admitted() -> None:
    sizes = [2, 2, *[1] * 8]  # empo_trl_common_low_max_prob_G12: rewards of 0 for all
    section = BandSection(low=0.0, high=1.0, min_largest_cluster=0.2)
    assert decision_for(sizes, section) is BandDecision.NO_CONSENSUS


@pytest.mark.parametrize("num_samples", range(2, 65))
def test_all_distinct_is_too_uncertain_whatever_floats_say(num_samples: int) -> None:
    assert decision_for([1] * num_samples, WIDE) is BandDecision.TOO_UNCERTAIN


def test_equal_cluster_sizes_have_no_signal() -> None:
    for sizes in ([4, 4], [2, 2, 2, 2], [3, 3]):
        assert decision_for(sizes, WIDE) is BandDecision.NO_SIGNAL


def test_one_dissenter_is_too_certain_below_the_band() -> None:
    assert decision_for([7, 1], BandSection(low=0.2)) is BandDecision.TOO_CERTAIN
    assert decision_for([7, 1], BandSection(low=0.15)) is BandDecision.ADMITTED


def test_answerless_samples_are_never_the_consensus() -> None:
    ids = [0, 0, 0, 0, 1, 1, 2, 3]
    answers = ["", "", "", "", "a", "a", "b", "c"]
    assert decide(ids, ["a"] * 8, BandSection()) is BandDecision.ADMITTED
    assert decide(ids, answers, BandSection()) is BandDecision.NO_CONSENSUS


def test_fewer_than_two_samples_have_no_signal() -> None:
    assert decide([0], ["a"], WIDE) is BandDecision.NO_SIGNAL
    assert decide([], [], WIDE) is BandDecision.NO_SIGNAL
