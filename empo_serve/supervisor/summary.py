"""What a person who has just typed `empo-serve serve` wants to know."""

from __future__ import annotations

from pathlib import Path

from empo_serve import __version__
from empo_serve.config import Config

_ENGINES = {"managed": "vLLM", "attached": "attached vLLM", "fake": "fake engine"}


def summary(
    config: Config, engine_version: str, live: str, urls: tuple[str, str], data_dir: Path
) -> str:
    """The lines that are printed when the server is ready; `urls` are the public and the admin."""
    learning = "on" if config.train.enabled else "off (train.enabled)"
    if config.engine.kind == "fake" and not config.model.path:
        learning = "sampling only: the fake engine has no model to train"
    public, admin = urls
    rows = [
        ("model", f"{config.model.public_name}  ({config.model.path or 'none'})"),
        ("engine", f"{_ENGINES[config.engine.kind]} {engine_version}"),
        ("version", f"{live} is live"),
        ("learning", learning),
        ("API", f"{public}/v1"),
        ("admin", f"{admin}/admin/v1/status"),
        ("metrics", f"{public}/metrics"),
        ("data", str(data_dir)),
    ]
    lines = [f"  {name:<9} {text}" for name, text in rows]
    return "\n".join([f"empo-serve {__version__} is ready", *lines])
