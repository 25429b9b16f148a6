"""Hashes of what a job directory gives the trainer, as `sha256sum --check` reads them.

A file that was lost, cut off or edited would train something that no record tells of. Who means to
change a job runs `sha256sum` on its files anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from empo_serve.errors import JobError

SUMS = "SHA256SUMS"


def write_sums(directory: Path) -> None:
    """Put the hashes of all that the trainer reads beside it."""
    lines = [f"{_sha256(directory / name)}  {name}\n" for name in _inputs(directory)]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")


def check_sums(directory: Path) -> None:
    """Raises JobError for the first file that is missing, strange, or not as it was written."""
    try:
        lines = (directory / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise JobError(f"cannot read {directory / SUMS}, so nothing vouches for this job") from e
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted({*expected, *_inputs(directory)}):
        path = directory / name
        if name not in expected:
            raise JobError(f"{path} is not in {SUMS}: it does not belong to this job")
        if not path.is_file():
            raise JobError(f"{path} is missing")
        if _sha256(path) != expected[name]:
            raise JobError(
                f"{path} is not as it was written: its sha256 is not that in {SUMS} "
                "(if the change is meant, write that file anew with sha256sum)"
            )


def _inputs(directory: Path) -> list[str]:
    """Paths within the directory of what the trainer reads."""
    parent = directory / "parent"
    names = sorted(f"parent/{path.name}" for path in parent.iterdir()) if parent.is_dir() else []
    return ["groups.jsonl", "job.json", *names]


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
