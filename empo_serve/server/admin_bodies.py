"""The JSON bodies of the admin API, as its OpenAPI document shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from empo_serve.server.bodies import Ours
from empo_serve.types import AdapterVersion


class AdapterUpload(Ours):
    """The two files of a LoRA adapter in PEFT's format."""

    config: bytes = Field(alias="adapter_config.json")
    weights: bytes = Field(alias="adapter_model.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAdapter(AdapterVersion):
    """An adapter version, and what the engines and the operator do with it now."""

    loaded: bool
    requests: int
    pinned: bool


@dataclass(frozen=True, slots=True)
class AdapterList:
    adapters: list[ShownAdapter]


class Deleted(Ours):
    """How many stored queries are gone."""

    deleted: int


class Pending(Ours):
    """An update was started on this many groups."""

    pending: int


class Paused(Ours):
    paused: bool


class EngineStatus(Ours):
    kind: str
    version: str | None
    pid: int | None
    urls: list[str]
    up: list[bool]
    why_down: list[str | None]


class TrippedGuard(Ours):
    """Why learning is paused, by the numbers and in words."""

    guard: str
    value: float
    limit: float
    message: str
    advice: str
    """What to do next."""
    version: str
    """The version that was live then."""
    at: float


class LearningStatus(Ours):
    enabled: bool
    paused: bool
    update_running: int | None
    groups_per_update: int
    state: str
    """off, paused, pinned, idle or learning."""
    summary: str
    """Is it learning? One line, with a 95 % interval where there is something to compare."""
    guards: list[TrippedGuard]
    """Those that paused learning; `resume` clears them."""


class JudgeStatus(Ours):
    """The language model that decides which answers mean the same, if it can."""

    model: str
    takes_part: bool
    check: str
    """How it did on pairs whose label is known."""


class Status(Ours):
    """Everything at a glance."""

    empo_serve: str
    model: str
    data_dir: str
    engine: EngineStatus
    judge: JudgeStatus | None
    ready: bool
    not_ready_reason: str | None
    live: str | None
    pinned: str | None
    canary: str | None
    """The version that answers a share of the users beside the live one."""
    loaded: dict[str, int]
    """Loaded versions, and the number of requests that run on each."""
    learning: LearningStatus
    queue: int
    """Queries that wait to be sampled."""
    buffer: dict[str, int]
    """Stored queries by state."""
    set_aside: dict[str, int]
    """Stored queries that are never trained on, whatever their state: `heldout` for the gate,
    `quarantined` with a version that was taken back."""
    last_update: dict[str, Any] | None
