"""What the demo measures and how it reports it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from empo_serve.demo.client import Cluster, Tally, Uncertain
from empo_serve.demo.html import render
from empo_serve.demo.measure import MEASURES, Measured, bootstrap_interval, mean, paired_change
from empo_serve.demo.report import (
    VersionResult,
    build_report,
    conclusion,
    samples_in_words,
    write_json,
)
from empo_serve.demo.traffic import Prompt
from empo_serve.demo.watch import Adapter, Counters, Update
from empo_serve.types import AdapterState, UpdateState

TRAINED = {
    "semantic_entropy_mean": 1.2345,
    "reward_mean": 0.4567,
    "kl": 0.0123,
    "grad_norm": 0.3,
    "seconds": 21.5,
}


def measured(number: int, right: int, *, greedy: bool = True, total: int = 8) -> Measured:
    """A prompt of which `right` of `total` samples are right."""
    prompt = Prompt(f"p{number}", "d", f"Question <{number}>?", ("Rome",))
    clusters = sorted(
        (c for c in (Cluster("rome", right), Cluster("Milan", total - right)) if c.count),
        key=lambda c: -c.count,
    )
    answer = Uncertain("Rome!" if greedy else "no", tuple(clusters), 0.25, 0.75)
    return Measured(prompt, answer)


def half(right: int) -> dict[str, Measured]:
    # A little spread, so that intervals are intervals.
    return {f"p{i}": measured(i, right + i % 2, greedy=i % 4 > 0) for i in range(12)}


def report(*right: int, **changed: Any) -> dict[str, Any]:
    results = [VersionResult(f"v{i}", {"heldout": half(r), "traffic": half(r + 1)})
               for i, r in enumerate(right)]  # fmt: skip
    arguments: dict[str, Any] = {
        "model": "tiny & small",
        "seconds": 12.34,
        "tally": Tally(total=90, failed=0, by_version={"v0": 60, "v1": 30}),
        "swaps": len(right) - 1,
        "results": results,
        "adapters": {
            f"v{i}": Adapter(f"v{i}", AdapterState.RETIRED, 8 * i) for i in range(len(right))
        },
        "updates": [
            Update(1, UpdateState.PUBLISHED, "v1", 8, TRAINED, None),
            Update(2, UpdateState.FAILED, None, 8, {}, "the trainer <crashed>"),
        ],
        "counters": Counters(samples=150, repeated=60, given_up=10),
        "completed": True,
        "ended": "1 new versions are live",
        "learning": "learning: 3 of 8 groups wait; no new version yet",
    }
    return build_report(**arguments | changed)


def test_accuracies_of_one_prompt() -> None:
    sure = measured(0, 6)
    assert (sure.sampled_accuracy, sure.greedy_accuracy, sure.majority_accuracy) == (0.75, 1, 1)
    unsure = measured(0, 3, greedy=False)
    assert (unsure.sampled_accuracy, unsure.greedy_accuracy) == (0.375, 0)
    assert unsure.majority_accuracy == 0


def test_the_first_of_two_equal_clusters_is_the_majority() -> None:
    prompt = Prompt("p", "d", "?", ("Rome",))
    tie = Uncertain("", (Cluster("Milan", 4), Cluster("Rome", 4)), 0.33, 0.67)
    assert Measured(prompt, tie).majority_accuracy == 0


def test_the_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    numbers = [0.0, 0.25, 0.5, 1.0, 1.0, 0.75] * 6
    low, high = bootstrap_interval(numbers)
    assert low < mean(numbers) < high
    assert (low, high) == bootstrap_interval(numbers)
    # Normal theory: mean +- 1.96 s / sqrt(n), here +- 0.12.
    assert high - low == pytest.approx(0.24, abs=0.03)
    assert bootstrap_interval([0.5, 0.5]) == (0.5, 0.5)


def test_a_change_is_paired_by_prompt() -> None:
    before = {f"p{i}": measured(i, i % 7) for i in range(14)}
    after = {f"p{i}": measured(i, i % 7 + 1) for i in range(14)}
    # Every prompt gained one of eight: no spread at all, although the prompts differ widely.
    change, (low, high) = paired_change(before, after, "sampled_accuracy")
    assert change == low == high == pytest.approx(0.125)


def test_what_sampling_cost_is_a_share_of_all_samples_of_all_groups() -> None:
    samples = report(3)["samples"]
    assert samples_in_words(samples).startswith("Of 160 background samples the engine did not have")
    assert "write 44%: 60 repeat another of their group, 10 were left" in samples_in_words(samples)
    nothing = dict.fromkeys(samples, 0)
    assert samples_in_words(nothing) == "No query was sampled in the background."


def test_report_has_the_published_shape(tmp_path: Path) -> None:
    write_json(report(3, 5), tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["model"] == "tiny & small"
    assert read["seconds"] == 12.3
    assert (read["requests"]["total"], read["requests"]["failed"], read["swaps"]) == (90, 0, 1)
    assert [v["version"] for v in read["versions"]] == ["v0", "v1"]
    for version in read["versions"]:
        assert {"version", "state", "trained_groups", "heldout", "traffic"} <= version.keys()
        for half_name in ("heldout", "traffic"):
            assert tuple(version[half_name]) == MEASURES
            for name, value in version[half_name].items():
                low, high = version["intervals"][half_name][name]
                assert 0 <= low <= value <= high <= 1
    assert read["versions"][0]["heldout"]["sampled_accuracy"] == pytest.approx(3.5 / 8)
    assert read["versions"][1]["trained_groups"] == 8


def test_the_conclusion_says_what_the_interval_allows() -> None:
    assert "rose from 0.44 to 0.69 (+0.25," in report(3, 5)["conclusion"]
    assert "fell from" in report(5, 3)["conclusion"]
    assert "did not change beyond chance" in report(3, 3)["conclusion"]
    assert "90 requests, 0 failed" in report(3, 5)["conclusion"]
    alone = report(3, ended="the time is up")
    assert conclusion(alone).startswith("No new version was measured (the time is up)")


def test_the_conclusion_ends_with_what_the_server_knows_without_labels() -> None:
    for numbers in ((3, 5), (3,)):
        text = report(*numbers, learning="idle: no group is in the band")["conclusion"]
        assert text.endswith("says of itself: idle: no group is in the band.")


def test_an_interrupted_run_still_makes_a_page() -> None:
    page = render(report(3, updates=[], completed=False, ended="interrupted"))
    assert "interrupted" in page


def test_the_page_needs_nothing_but_itself() -> None:
    page = render(report(3, 5))
    links = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\'\s>)]+)', page)
    assert [link for link in links if not link.startswith("#")] == []
    assert "<script" not in page
    assert "@import" not in page
    # An address may occur only as the name of an XML namespace.
    assert re.sub(r'xmlns(:\w+)?="[^"]*"', "", page).count("://") == 0


def test_the_page_shows_the_numbers_of_the_report() -> None:
    data = report(3, 5)
    page = render(data)
    for version in data["versions"]:
        for half_name in ("heldout", "traffic"):
            for value in version[half_name].values():
                assert f"{value:.3f}" in page
    for text in ("1.234", "0.457", "0.012", "0 of 90", "tiny &amp; small", "Question &lt;0&gt;?"):
        assert text in page
    assert "the trainer &lt;crashed&gt;" in page
    assert data["conclusion"] in page
    assert page.count("<svg") == 4


def test_a_report_without_kl_is_drawn() -> None:
    updates = [Update(1, UpdateState.PUBLISHED, "v1", 8, TRAINED | {"kl": None}, None)]
    assert "Updates: reward" in render(report(3, 5, updates=updates))
