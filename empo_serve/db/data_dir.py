"""The data directory: where things are in it, and whose it is.

<data_dir>/
  lock  model.json       one server at a time; the model that the directory belongs to
  empo.db                buffer, updates, adapter registry
  model/                 the model, where it had to be converted or downloaded
  adapters/v0/ v1/ ...   immutable adapter versions, each with a manifest
  updates/000001/ ...    training jobs: the audit trail
  logs/
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from pathlib import Path
from typing import IO

from empo_serve.db.durable import replace_file
from empo_serve.errors import StartupError


class DataDir:
    """An opened data directory; holds the lock until closed."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: IO[str] | None = None

    @property
    def database(self) -> Path:
        return self.path / "empo.db"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def adapters(self) -> Path:
        return self.path / "adapters"

    @property
    def updates(self) -> Path:
        return self.path / "updates"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def update(self, update_id: int) -> Path:
        return self.updates / f"{update_id:06d}"

    def open(self, model_identity: str) -> None:
        """Create or take over the directory for the model. Raises StartupError, one line."""
        try:
            for folder in (self.path, self.adapters, self.updates, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = open(self.path / "lock", "w")  # noqa: SIM115 - held until close()
        except OSError as e:
            raise StartupError(
                f"cannot use the data directory {self.path}: {e.strerror}; set server.data_dir"
            ) from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            self.close()
            raise StartupError(
                f"the data directory {self.path} is in use by another empo-serve; stop that one, "
                "or set server.data_dir"
            ) from e
        try:
            self._claim(model_identity)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _claim(self, model_identity: str) -> None:
        owner = self.path / "model.json"
        if not owner.exists():
            replace_file(owner, json.dumps({"model": model_identity}) + "\n")
            return
        try:
            known = json.loads(owner.read_text(encoding="utf-8"))["model"]
        except (ValueError, KeyError, TypeError) as e:
            raise StartupError(f"{owner} is damaged; restore it, or set server.data_dir") from e
        if known != model_identity:
            raise StartupError(
                f"the data directory {self.path} belongs to another model ({known}, not "
                f"{model_identity}); set server.data_dir to another directory"
            )


def model_identity(path: Path) -> str:
    """What tells one local model from another: its name and a digest of its description.

    For a directory the digest covers config.json and the weight files' names and sizes; for a
    GGUF file its size and first MiB. Reading gigabytes at every start would gain little.
    """
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(str(path.stat().st_size).encode())
        with open(path, "rb") as f:
            digest.update(f.read(2**20))
    else:
        digest.update((path / "config.json").read_bytes())
        for weights in sorted(path.glob("*.safetensors")):
            digest.update(f"{weights.name} {weights.stat().st_size}".encode())
    return f"{path.name} {digest.hexdigest()[:16]}"
