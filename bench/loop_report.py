"""The table and the plots of bench/loop.py."""
from __future__ import annotations
from collections.abc import Sequence
from pathlib import Path
from typing import Any

def report(runs: Sequence[dict[str, Any]], folder: Path) -> None:
    for r in runs:
        print(r["arm"], r["seed"], r["ended"], r["samples"], r["groups"], r["seconds"], r["requests"])
        for v in r["versions"]:
            for s in ("heldout", "cross"):
                if s in v:
                    n = len(v[s])
                    print("  ", v["version"], v["updates"], s, n, {m: round(sum(x[m] for x in v[s].values()) / n, 3) for m in next(iter(v[s].values()))})
