"""A directory appears complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from empo_serve.db.data_dir import sync_directory


def temporary_beside(destination: Path) -> Path:
    """Where to build what will be published as `destination`: same file system, same parent."""
    return destination.with_name(f".{destination.name}.tmp")


def publish_directory(temporary: Path, destination: Path) -> None:
    """Sync every file of a finished directory, then rename it to where readers look."""
    for folder, _, names in os.walk(temporary):
        for name in names:
            with open(Path(folder) / name, "rb") as f:
                os.fsync(f.fileno())
        sync_directory(Path(folder))
    temporary.rename(destination)
    sync_directory(destination.parent)
