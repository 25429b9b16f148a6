"""report.json: every number of the run. report.html is drawn from this record alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.demo.client import Tally
from empo_serve.demo.measure import (
    MEASURES,
    Measured,
    bootstrap_interval,
    mean,
    paired_change,
    values,
)
from empo_serve.demo.watch import Adapter, Counters, Update

NUM_EXAMPLES = 5
HALVES = ("heldout", "traffic")


@dataclass(frozen=True, slots=True)
class VersionResult:
    """What was measured of one version: by half, then by prompt id."""

    version: str
    halves: Mapping[str, dict[str, Measured]]


def build_report(
    *,
    model: str,
    seconds: float,
    tally: Tally,
    swaps: int,
    results: Sequence[VersionResult],
    adapters: Mapping[str, Adapter],
    updates: Sequence[Update],
    counters: Counters,
    completed: bool,
    ended: str,
    learning: str,
) -> dict[str, Any]:
    """The record of the run; `results` begin with v0. `ended` says in words why it stopped, and
    `learning` is what the server, which has no labels, said of its learning."""
    report: dict[str, Any] = {
        "model": model,
        "seconds": round(seconds, 1),
        "completed": completed,
        "ended": ended,
        "learning": learning,
        "requests": dataclasses.asdict(tally),
        "swaps": swaps,
        "samples": {
            "in_groups": counters.samples,
            "repeated": counters.repeated,
            "given_up": counters.given_up,
        },
        "versions": [_version(result, adapters[result.version]) for result in results],
        "updates": [dataclasses.asdict(update) for update in updates],
        "prompts": {},
        "change": None,
        "examples": [],
    }
    if results:
        first, last = results[0], results[-1]
        report["prompts"] = {half: len(first.halves[half]) for half in HALVES}
        report["examples"] = _examples(first, last)
    if len(results) > 1:
        report["change"] = {"from": first.version, "to": last.version} | {
            half: _change(first.halves[half], last.halves[half]) for half in HALVES
        }
    report["conclusion"] = conclusion(report)
    return report


def conclusion(report: Mapping[str, Any]) -> str:
    """One plain sentence: did it improve, by how much, and did anybody notice the swaps?"""
    requests = report["requests"]
    traffic = (
        f"{requests['total']} requests, {requests['failed']} failed, "
        f"{requests['mixed']} of mixed versions, {swaps_in_words(report['swaps'])}."
    )
    change = report["change"]
    if change is None:
        return (
            f"No new version was measured ({report['ended']}); {traffic} The server says of "
            f"itself: {report['learning']}."
        )
    name = "sampled_accuracy"
    before, after = (report["versions"][i]["heldout"][name] for i in (0, -1))
    difference, (low, high) = change["heldout"][name]["change"], change["heldout"][name]["interval"]
    verb = "rose" if low > 0 else "fell" if high < 0 else "did not change beyond chance:"
    return (
        f"Held-out sampled accuracy {verb} from {before:.2f} to {after:.2f} "
        f"({difference:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}) from {change['from']} to "
        f"{change['to']}, without a label; {traffic} The server, which sees no gold, says of "
        f"itself: {report['learning']}."
    )


def samples_in_words(samples: Mapping[str, int]) -> str:
    """What sampling in the background cost the engine, against every sample of every group."""
    total = samples["in_groups"] + samples["given_up"]
    if not total:
        return "No query was sampled in the background."
    share = (samples["repeated"] + samples["given_up"]) / total
    return (
        f"Of {total} background samples the engine did not have to write {share:.0%}: "
        f"{samples['repeated']} repeat another of their group, {samples['given_up']} were left out "
        "because their group could not be admitted any more."
    )


def swaps_in_words(swaps: int) -> str:
    return f"{swaps} swap" if swaps == 1 else f"{swaps} swaps"


def write_json(report: Mapping[str, Any], file: Path) -> None:
    file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _version(result: VersionResult, adapter: Adapter) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "version": result.version,
        "state": adapter.state.value,
        "trained_groups": adapter.trained_groups,
    }
    intervals: dict[str, Any] = {}
    for half in HALVES:
        measured = list(result.halves[half].values())
        entry[half] = {name: mean(values(measured, name)) for name in MEASURES}
        intervals[half] = {name: bootstrap_interval(values(measured, name)) for name in MEASURES}
    return entry | {"intervals": intervals}


def _change(before: dict[str, Measured], after: dict[str, Measured]) -> dict[str, Any]:
    changes = {name: paired_change(before, after, name) for name in MEASURES}
    return {name: {"change": c, "interval": interval} for name, (c, interval) in changes.items()}


def _examples(first: VersionResult, last: VersionResult) -> list[dict[str, Any]]:
    """The first held-out prompts in hash order: not chosen by how well they came out."""
    before, after = first.halves["heldout"], last.halves["heldout"]
    both = sorted((i for i in before if i in after), key=lambda i: before[i].prompt.hash)
    return [
        {
            "prompt": before[i].prompt.text,
            "gold": list(before[i].prompt.gold),
            "before": _example(before[i]),
            "after": _example(after[i]),
        }
        for i in both[:NUM_EXAMPLES]
    ]


def _example(measured: Measured) -> dict[str, Any]:
    return {
        "answer": measured.largest_cluster.answer,
        "right": bool(measured.majority_accuracy),
        "share": measured.largest_cluster.count / sum(c.count for c in measured.answer.clusters),
        "confidence": measured.answer.confidence,
    }
