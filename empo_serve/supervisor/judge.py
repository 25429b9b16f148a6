"""The judge of the configuration, if it has one."""

from __future__ import annotations

from contextlib import AsyncExitStack

from empo_serve.adapters.rollout import Rollout
from empo_serve.config import Config
from empo_serve.db.database import Database
from empo_serve.engine.admission import Admission
from empo_serve.engine.endpoint import Endpoint
from empo_serve.engine.pool import EnginePool
from empo_serve.metrics import Metrics
from empo_serve.pipeline.judging import Judging, ServedModel
from empo_serve.semantics.judging import Judge


def make_judging(
    stack: AsyncExitStack,
    config: Config,
    engines: EnginePool,
    admission: Admission,
    rollout: Rollout,
    database: Database,
    metrics: Metrics,
) -> Judging | None:
    """Nothing is asked yet. Raises StartupError when the key of an endpoint is missing."""
    section = config.semantics
    if config.served_model_judges:
        model = ServedModel(engines, admission, rollout)
        return Judging(Judge(section, model, metrics), database)
    if section.equivalence in ("auto", "judge") and section.judge_url:
        endpoint = Endpoint(section.judge_url, section.judge_model, section.judge_api_key_env)
        stack.push_async_callback(endpoint.close)
        return Judging(Judge(section, endpoint, metrics), database)
    return None
