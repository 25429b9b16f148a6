"""The last steps of a new version: load, gate, rollout."""

from __future__ import annotations

import logging

from empo_serve.adapters.gate import Gate
from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.store import GroupStore
from empo_serve.config import Config
from empo_serve.errors import AdapterError
from empo_serve.pipeline.canary import Canary
from empo_serve.types import AdapterVersion

log = logging.getLogger(__name__)


class Candidates:
    """Decides whether a published version may answer users, and lets it."""

    def __init__(
        self,
        config: Config,
        store: GroupStore,
        registry: Registry,
        rollout: Rollout,
        gate: Gate,
        canary: Canary,
    ) -> None:
        self._config = config
        self._store = store
        self._registry = registry
        self._rollout = rollout
        self._gate = gate
        self._canary = canary

    async def admit_import(self, candidate: AdapterVersion) -> AdapterVersion:
        """An adapter from elsewhere takes the same gate and rollout as our own."""
        await self.admit(candidate, self._rollout.live)
        return await self._registry.get(candidate.version)

    async def admit(self, candidate: AdapterVersion, parent: AdapterVersion) -> str | None:
        """Load a candidate, let the gate judge it, let it answer users. Why not, or None.

        Raises EngineError; then the candidate is not loaded, and may be promoted later.
        """
        await self._rollout.add_candidate(candidate)
        try:
            refusal = await self._judge(candidate, parent)
            if refusal is None and self._rollout.pinned is None:
                refusal = await self._go_live(candidate)
        except Exception:
            await self._rollout.park_candidate(candidate)
            raise
        if refusal is not None:
            log.warning("version %s is rejected: %s", candidate.version, refusal)
            await self._rollout.drop_candidate(candidate)
        elif self._rollout.live.version != candidate.version:
            await self._rollout.park_candidate(candidate)
        return refusal

    async def _judge(self, candidate: AdapterVersion, parent: AdapterVersion) -> str | None:
        """Why a loaded candidate may not answer users, or None."""
        refusal = None
        if self._config.gate.enabled:
            count = self._config.gate.num_queries
            heldout = await self._store.recent_queries(count, heldout=True)
            queries = heldout + await self._store.recent_queries(
                count - len(heldout), heldout=False
            )
            async with self._rollout.lending("v0") as base:
                verdict = await self._gate.examine(
                    candidate,
                    parent,
                    base,
                    queries,
                    len(heldout),
                    self._config.max_sample_tokens,
                )
            await self._registry.set_gate(candidate.version, verdict.as_dict())
            refusal = None if verdict.passed else verdict.reason
        if self._rollout.live.version != parent.version:
            refusal = f"its parent {parent.version} is no longer live"
        return refusal

    async def _go_live(self, candidate: AdapterVersion) -> str | None:
        """Let a candidate answer users, or some of them; why it may not after all, or None."""
        try:
            if self._canary.is_wanted:
                await self._canary.begin(candidate)
                return None
            await self._rollout.promote(candidate.version)
        except AdapterError as e:
            # A pinned version, or another canary, says nothing against this one: it waits.
            may_wait = self._rollout.pinned is not None or self._rollout.canary is not None
            return None if may_wait else str(e)
        return None
