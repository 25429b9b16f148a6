"""What handlers find in their application, by type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.feedback import FeedbackStore
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.metrics import Metrics
from empo_serve.pipeline.candidates import Candidates
from empo_serve.pipeline.feedback import Feedback
from empo_serve.pipeline.learning_status import LearningStatus
from empo_serve.pipeline.main_path import Pipeline
from empo_serve.pipeline.take_back import TakeBack
from empo_serve.pipeline.updates import Updates
from empo_serve.server.drain import Drain


@dataclass(frozen=True, slots=True)
class Control:
    """What operators may look at and turn."""

    store: GroupStore
    update_store: UpdateStore
    registry: Registry
    rollout: Rollout
    updates: Updates
    candidates: Candidates
    learning: LearningStatus
    take_back: TakeBack
    feedback: Feedback
    ratings: FeedbackStore
    drain: Drain
    status: Callable[[], dict[str, Any]]  # what the supervisor knows: model, engines, versions
    not_ready: Callable[[], str | None]  # a reason, or None when requests can be answered


CONFIG = web.AppKey("config", Config)
METRICS = web.AppKey("metrics", Metrics)
PIPELINE = web.AppKey("pipeline", Pipeline)
CONTROL = web.AppKey("control", Control)
STARTED_AT = web.AppKey("started_at", int)
MAX_BODY_BYTES = web.AppKey("max_body_bytes", int)
TITLE = web.AppKey("title", str)  # of the OpenAPI document
HAS_KEYS = web.AppKey("has_keys", bool)  # requests need an API key

# The routes that give answers, and their names in metrics.
USER_ROUTES = {"/v1/chat/completions": "chat", "/v1/completions": "completions"}
