"""The served base model as a judge of answers, and the proof that a judge is worth asking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from empo_serve.adapters.rollout import Rollout
from empo_serve.db.database import Database
from empo_serve.db.settings import read_setting, write_setting
from empo_serve.engine.admission import Admission
from empo_serve.engine.client import BACKGROUND_PRIORITY, USER_PRIORITY
from empo_serve.engine.pool import EnginePool
from empo_serve.errors import EngineError
from empo_serve.semantics.judging import Check, Judge
from empo_serve.types import Query

log = logging.getLogger(__name__)

BASE = "v0"  # never a version that learns: it would come to find its own answers alike

_NUM_TOP = 20  # the most that vLLM gives
_CHATS_AT_ONCE = 8
_CHECKED = "judge_check"
_FIRST_RETRY_S = 10.0
_LONGEST_RETRY_S = 600.0


class ServedModel:
    """Version v0 on the engines, asked in the room that users leave.

    It is cut off like any background work and asks again what is missing. While a user waits for
    the answer there may never be such room, so then it asks beside the users, as one of them.
    """

    def __init__(self, engines: EnginePool, admission: Admission, rollout: Rollout) -> None:
        self._engines = engines
        self._admission = admission
        self._rollout = rollout

    @property
    def name(self) -> str:
        return BASE

    async def first_tokens(
        self, chats: Sequence[list[dict[str, Any]]], urgent: bool = False
    ) -> list[dict[str, float]]:
        """For each chat the likeliest first tokens of the reply with their log-probabilities; none
        where the engine cannot take the chat. Raises EngineError."""
        found: dict[int, dict[str, float]] = {}

        async def ask(numbers: Sequence[int], priority: int) -> None:
            async def one(number: int) -> None:
                found[number] = await self._first_token(chats[number], priority)

            try:
                async with asyncio.TaskGroup() as tasks:
                    for number in numbers:
                        tasks.create_task(one(number))
            except ExceptionGroup as group:
                raise group.exceptions[0] from group

        while waiting := [i for i in range(len(chats)) if i not in found][:_CHATS_AT_ONCE]:
            if urgent:
                await ask(waiting, USER_PRIORITY)
                continue
            async with self._admission.background(len(waiting)) as lease:
                await lease.run(ask(waiting[: lease.num_seqs], BACKGROUND_PRIORITY))
        return [found[i] for i in range(len(chats))]

    async def _first_token(self, chat: list[dict[str, Any]], priority: int) -> dict[str, float]:
        query = Query("judge", "chat", {"messages": chat}, question="", arrived_at=0.0)
        with self._rollout.serving(BASE) as adapter:
            try:
                return await self._engines.pick().first_token_logprobs(
                    query, adapter.engine_name, _NUM_TOP, priority
                )
            except EngineError as e:
                if e.status == 400:  # too long, or the model has no chat template
                    return {}
                raise


class Judging:
    """Checks once for each judge whether it can judge, and remembers the result."""

    def __init__(self, judge: Judge, database: Database) -> None:
        self.judge = judge
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Check in the background; until it is done the judge takes no part in "auto"."""
        self._task = asyncio.create_task(self._check(), name="judge-check")
        self._task.add_done_callback(_report)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def status(self) -> dict[str, Any]:
        checked = self.judge.checked
        return {
            "model": self.judge.name,
            "takes_part": self.judge.takes_part,
            "check": "not done yet" if checked is None else str(checked),
        }

    async def _check(self) -> None:
        check = await self._remembered()
        pause_s = _FIRST_RETRY_S
        while check is None:
            try:
                check = await self.judge.check()
            except EngineError as e:
                log.warning("the judge is not checked yet; next try in %.0f s: %s", pause_s, e)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
            else:
                await self._remember(check)
        self.judge.accept(check)
        part = "takes part" if self.judge.takes_part else "takes no part"
        if self.judge.takes_part and not check.passed:
            part += ' all the same (semantics.equivalence = "judge")'
        log.info("the judge %s %s: %s", self.judge.name, part, check)

    async def _remembered(self) -> Check | None:
        stored = await read_setting(self._database, _CHECKED)
        if stored is None or stored["of"] != self.judge.fingerprint:
            return None
        return Check(**stored["check"])

    async def _remember(self, check: Check) -> None:
        facts = {"of": self.judge.fingerprint, "check": asdict(check)}
        await write_setting(self._database, _CHECKED, facts)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the judge is not checked, and takes no part", exc_info=error)
