"""The main path, second half: `update` turns admitted groups into a better adapter, or fails
without a trace for users.

    lease -> job -> train -> publish -> gate -> rollout

Everything that a half-done update left behind is taken up again at the next start: the job
directory says what to train on, and training it again gives the same adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from empo_serve.adapters.registry import Registry
from empo_serve.adapters.rollout import Rollout
from empo_serve.buffer.store import GroupStore
from empo_serve.buffer.updates import UpdateStore
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir
from empo_serve.db.database import Database
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.errors import AdapterError, EngineError, JobError
from empo_serve.metrics import Metrics
from empo_serve.pipeline.candidates import Candidates
from empo_serve.pipeline.guarding import Guarding
from empo_serve.pipeline.training import TrainerFailed, Training
from empo_serve.train.job import JobResult
from empo_serve.types import AdapterState, AdapterVersion, GroupState, UpdateState

log = logging.getLogger(__name__)

_PAUSED = "learning_paused"
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0


class Updates:
    """Starts an update when enough groups wait, or when asked to, one at a time."""

    def __init__(
        self,
        config: Config,
        data_dir: DataDir,
        database: Database,
        store: GroupStore,
        update_store: UpdateStore,
        registry: Registry,
        rollout: Rollout,
        training: Training,
        candidates: Candidates,
        guarding: Guarding,
        metrics: Metrics,
        set_paused: Callable[[bool], None],
    ) -> None:
        self._config = config
        self._data_dir = data_dir
        self._database = database
        self._store = store
        self._update_store = update_store
        self._registry = registry
        self._rollout = rollout
        self._training = training
        self._candidates = candidates
        self._guarding = guarding
        self._metrics = metrics
        self._set_paused = set_paused
        self._model_dir: Path | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._asked = False
        self.running: int | None = None
        self.is_paused = False

    # Control.

    async def start(self, model_dir: Path | None) -> None:
        """Begin to look for work; `model_dir` is None where there is no model to train."""
        self._model_dir = model_dir
        await self._guarding.start()
        is_paused = bool(await read_setting(self._database, _PAUSED))
        await self._apply_pause(is_paused or bool(self._guarding.tripped))
        self._task = asyncio.create_task(self._run(), name="updates")

    async def stop(self) -> None:
        """Stop the trainer, if one runs; its job is taken up again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._training.stop()

    @property
    def is_enabled(self) -> bool:
        return self._config.train.enabled and self._model_dir is not None

    def wake(self) -> None:
        """A group was admitted."""
        self._wake.set()

    def scored(self) -> None:
        """A group was sampled and scored, whether admitted or not."""
        if self._guarding.scored():
            self._wake.set()

    def ask(self) -> None:
        """Train now, on whatever is pending."""
        self._asked = True
        self._wake.set()

    async def pause(self, paused: bool) -> None:
        """Pause or resume learning; it stays so across restarts. A running update finishes."""
        await write_setting(self._database, _PAUSED, paused or None)
        if not paused:
            await self._guarding.clear()
        await self._apply_pause(paused)
        self._wake.set()

    async def _apply_pause(self, paused: bool) -> None:
        self.is_paused = paused
        self._set_paused(paused)
        self._metrics.learning_paused.set(paused)

    # The loop.

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        for row in await self._update_store.unfinished():
            await self._safely(self._finish(row["update_id"], row["parent"]))
        while True:
            await self._until_there_is_work()
            is_ok = await self._safely(self.update())
            if is_ok:
                pause_s = _FIRST_PAUSE_S
                continue
            # Something is wrong with training; serving goes on, and we try again ever slower.
            log.warning("the next update is tried in %.0f s", pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _safely(self, update: Awaitable[bool]) -> bool:
        """A defect in an update must not end learning for good, nor touch serving."""
        try:
            return await update
        except Exception:
            self._metrics.updates.labels(outcome="error").inc()
            log.exception("an update broke off")
            return False

    async def _until_there_is_work(self) -> None:
        train = self._config.train
        last = time.monotonic()
        while True:
            is_guarded = await self._safely(self._guard())
            counts = await self._store.counts()
            for state, count in counts.items():
                self._metrics.buffer_rows.labels(state=state).set(count)
            pending = counts[GroupState.PENDING.value]
            is_due = train.interval_s > 0 and time.monotonic() - last >= train.interval_s
            is_wanted = self._asked or pending >= train.groups_per_update or is_due
            # While a version is pinned nothing new could serve, so nothing new is trained.
            is_settled = self._rollout.pinned is None and self._rollout.canary is None
            may_train = self.is_enabled and not self.is_paused and is_settled and is_guarded
            if pending and is_wanted and may_train:
                if await self._guarding.discard_repeated():
                    continue  # there may be too few left
                self._asked = False
                return
            if not pending:
                self._asked = False
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), train.interval_s or None)

    async def _guard(self) -> bool:
        """Pause learning when a guard says so; serving does not notice. Without working guards
        nothing is trained."""
        if self.is_enabled and not self.is_paused and await self._guarding.check():
            await self.pause(True)
        return True

    # One update.

    async def update(self) -> bool:
        """Train on what is pending and let the result serve. False if the trainer failed."""
        live = self._rollout.live
        update_id = await self._update_store.start(live.version)
        lineage = await self._registry.lineage(live.version)
        fresh = [adapter.version for adapter in lineage[: self._config.train.max_staleness + 1]]
        rows = await self._store.claim(update_id, self._config.train.groups_per_update, fresh)
        await self._update_store.set_groups(update_id, len(rows))
        if not rows:
            await self._update_store.finish(
                update_id, UpdateState.SKIPPED, error="every pending group was too old to train on"
            )
            return True
        return await self._finish(update_id, live.version)

    async def _finish(self, update_id: int, parent_version: str) -> bool:
        """From leased rows to the end of the update, whatever end that is."""
        self.running = update_id
        self._metrics.train_running.set(1)
        started = time.perf_counter()
        state, error, version, result = UpdateState.FAILED, None, None, None
        rows_become: GroupState | None = None
        try:
            parent = await self._registry.get(parent_version)
            await self._training.write_job(update_id, parent, self._model_dir)
            result = await self._training.run(update_id)
            if result.status == "skipped":
                state, rows_become = UpdateState.SKIPPED, GroupState.DISCARDED
                error = "no group had a signal"
            else:
                state, rows_become, version, error = await self._publish(update_id, parent, result)
        except (TrainerFailed, JobError, AdapterError, EngineError) as e:
            error = str(e)
            log.error("update %d failed: %s", update_id, error)
        except OSError as e:
            error = f"the disk failed: {e}"
            log.error("update %d failed: %s", update_id, error)
        finally:
            self.running = None
            self._metrics.train_running.set(0)
        if rows_become is None:
            await self._store.requeue(update_id, self._config.train.max_attempts)
        else:
            await self._store.finish(update_id, rows_become)
        metrics = asdict(result.metrics) if result else None
        await self._update_store.finish(
            update_id, state, version=version, metrics=metrics, error=error
        )
        self._observe(state, result, time.perf_counter() - started)
        return state is not UpdateState.FAILED

    async def _publish(
        self, update_id: int, parent: AdapterVersion, result: JobResult
    ) -> tuple[UpdateState, GroupState, str | None, str | None]:
        """Publish the adapter, let the gate judge it, and let it answer users."""
        # A former process may have come this far, or further, before it died.
        candidate = await self._registry.of_update(update_id)
        if candidate is None:
            source = self._data_dir.update(update_id) / "adapter"
            num_groups = result.metrics.groups - result.metrics.groups_without_signal
            before = 0 if self._training.started_at_v0(update_id) else parent.trained_groups
            candidate = await self._registry.publish(
                source, parent.version, update_id, before + num_groups
            )
        elif candidate.state is not AdapterState.CANDIDATE:
            return UpdateState.PUBLISHED, GroupState.TRAINED, candidate.version, None
        refusal = await self._candidates.admit(candidate, parent)
        if refusal is not None:
            return UpdateState.REJECTED, GroupState.DISCARDED, candidate.version, refusal
        self._metrics.train_last_success.set_to_current_time()
        return UpdateState.PUBLISHED, GroupState.TRAINED, candidate.version, None

    def _observe(self, state: UpdateState, result: JobResult | None, seconds: float) -> None:
        self._metrics.updates.labels(outcome=state.value.lower()).inc()
        self._metrics.update_seconds.observe(seconds)
        if result is None:
            return
        m = result.metrics
        for gauge, value in (
            (self._metrics.train_loss, m.loss),
            (self._metrics.train_reward_mean, m.reward_mean),
            (self._metrics.train_kl, m.kl),
            (self._metrics.train_grad_norm, m.grad_norm),
            (self._metrics.train_semantic_entropy, m.semantic_entropy_mean),
            (self._metrics.train_logprob_difference, m.mean_abs_logprob_difference),
        ):
            if value is not None:
                gauge.set(value)
