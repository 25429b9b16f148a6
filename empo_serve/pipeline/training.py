"""One run of the trainer: from leased rows to a job directory, and from that to its result."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from empo_serve.adapters.registry import Registry
from empo_serve.buffer.store import GroupStore
from empo_serve.config import Config
from empo_serve.db.data_dir import DataDir
from empo_serve.engine.process import ChildProcess
from empo_serve.errors import JobError
from empo_serve.semantics.copies import copies_question
from empo_serve.train.job import (
    OPTIMIZER,
    BaseModel,
    Job,
    JobGroup,
    JobResult,
    JobSample,
    config_sha256,
    read_result,
    write_job,
)
from empo_serve.types import AdapterVersion


class TrainerFailed(Exception):
    """The trainer did not finish a job; the message holds its last log lines."""


class Training:
    """Writes jobs and runs the one-shot trainer on them, one at a time."""

    def __init__(
        self,
        config: Config,
        data_dir: DataDir,
        store: GroupStore,
        registry: Registry,
    ) -> None:
        self._config = config
        self._data_dir = data_dir
        self._store = store
        self._registry = registry
        self._trainer: ChildProcess | None = None

    async def stop(self) -> None:
        """Stop the trainer, if one runs; its job is taken up again at the next start."""
        if self._trainer is not None:
            await self._trainer.stop()

    async def write_job(
        self, update_id: int, parent: AdapterVersion, model_dir: Path | None
    ) -> None:
        """Write the job directory, unless a former process has done so. Raises JobError.

        `parent` is the version that the job is to replace. It goes on from there, or starts again
        at v0 when that is due (train.rebase_every).
        """
        directory = self._data_dir.update(update_id)
        if (directory / "job.json").exists():
            return
        if model_dir is None:
            raise JobError("there is no model to train")
        rows = await self._store.leased(update_id)
        if not rows:
            raise JobError("the update holds no groups")
        lineage = await self._registry.lineage(parent.version)
        rebased = self._rebased_updates(lineage)
        rows = await self._store.trained_by(rebased) + rows
        staleness = {version.version: i for i, version in enumerate(lineage)}
        base = BaseModel(str(model_dir), config_sha256(model_dir), self._config.model.dtype)
        job = Job(
            update_id=update_id,
            parent_version="v0" if rebased else parent.version,
            base_model=base,
            temperature=self._config.sampling.temperature,
            max_completion_length=self._config.max_sample_tokens,
            train=self._config.train,
            groups=tuple(
                _job_group(
                    row,
                    staleness.get(row["version"], len(lineage)),
                    self._config.train.copies_are_answers,
                )
                for row in rows
            ),
        )
        if job.parent_version == "v0":
            await asyncio.to_thread(write_job, directory, job)
            return
        optimizer = None
        if parent.update_id is not None:
            path = self._data_dir.update(parent.update_id) / OPTIMIZER
            optimizer = path if path.exists() else None
        await asyncio.to_thread(
            write_job, directory, job, self._registry.path(parent.version), optimizer
        )

    def _rebased_updates(self, lineage: list[AdapterVersion]) -> list[int]:
        """The updates that are trained on again because it is time to start at v0; else none."""
        count = self._config.train.rebase_every
        since_v0: list[int] = []
        for version in lineage:
            if version.version == "v0" or len(since_v0) == count:
                break
            if version.update_id is not None:  # else it was imported
                since_v0.append(version.update_id)
                if self.started_at_v0(version.update_id):
                    break
        return since_v0 if count and len(since_v0) == count else []

    def started_at_v0(self, update_id: int) -> bool:
        """Did the job of this update start at v0, by itself or because it was time to?"""
        return not (self._data_dir.update(update_id) / "parent").exists()

    async def run(self, update_id: int) -> JobResult:
        """Run the one-shot trainer on the job. Raises TrainerFailed with its last log lines."""
        directory = self._data_dir.update(update_id)
        train = self._config.train
        env = {"OMP_WAIT_POLICY": "PASSIVE"}  # do not spin on cores that users are served from
        if train.threads:
            env["OMP_NUM_THREADS"] = str(train.threads)
        self._trainer = await ChildProcess.start(
            [sys.executable, "-m", "empo_serve", "train", str(directory)],
            directory / "train.log",
            env=env,
            nice=train.nice,
        )
        try:
            async with asyncio.timeout(train.timeout_s):
                code = await self._trainer.wait()
        except TimeoutError:
            raise TrainerFailed(
                f"the trainer was killed after {train.timeout_s:.0f} s (train.timeout_s)"
            ) from None
        finally:
            await self._trainer.stop()
        result = read_result(directory) if code == 0 else None
        if result is None:
            raise TrainerFailed(
                f"the trainer stopped with exit code {code}; the end of its log:\n"
                + self._trainer.last_lines()
            )
        return result


def _job_group(row: dict[str, Any], staleness: int, copies_are_answers: bool) -> JobGroup:
    samples = tuple(
        JobSample(
            token_ids=tuple(s["token_ids"]),
            logprobs=tuple(s["logprobs"]),
            answer=s["answer"],
            truncated=s["finish_reason"] == "length",
            copies_question=not copies_are_answers
            and copies_question(row["question"], s["answer"]),
        )
        for s in row["samples"]
    )
    return JobGroup(
        group_id=row["group_id"],
        query_id=row["query_id"],
        version=row["version"],
        prompt_token_ids=tuple(row["prompt_token_ids"]),
        semantic_ids=tuple(row["semantic_ids"]),
        semantic_entropy=row["semantic_entropy"],
        samples=samples,
        staleness=staleness,
    )
