"""Files and directories that appear complete or not at all, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path


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


def replace_file(path: Path, content: str) -> None:
    """Write a file so that a reader sees the old or the new content, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
