"""The gateway's side of the scorer child: one group at a time, restarts, timeouts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError, StartupError
from empo_serve.semantics.judging import Judge
from empo_serve.types import GroupScore, Sample

log = logging.getLogger(__name__)

_MAX_REPLY_BYTES = 64 * 2**20
_NICE = 10
_MAX_BACKOFF_S = 30.0
_STARTUP_TIMEOUT_S = 300.0  # loading an embedding model from a slow disk
_MAX_GROUPS = 256  # in here at once; background work brings a few, users may bring any number


class ScorerProcess:
    """Scores groups in a child process, so that nothing there can stall or kill the gateway.

    A child that hangs, dies or answers nonsense costs the group it held, which raises ScorerError;
    groups that wait go to its successor. `on_restart` is called at each restart.

    Where the child needs a judge it gives the group back, so that others have their turn while the
    judge waits for room in the engine, and the group comes again with what the judge said.
    """

    def __init__(
        self,
        section: SemanticsSection,
        on_restart: Callable[[], None] = lambda: None,
        judge: Judge | None = None,
    ) -> None:
        self._section = section
        self._on_restart = on_restart
        self._judge = judge
        self._num_groups = 0
        self._child: Process | None = None
        self._is_ready = asyncio.Event()
        self._startup_error: str | None = None
        self._turn = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._next_id = 0

    @property
    def pid(self) -> int | None:
        """Process id of the child that is ready; None while there is none."""
        return self._child.pid if self._child and self._is_ready.is_set() else None

    def start(self) -> None:
        """Start the child in the background; groups wait until it has loaded its models."""
        self._keeper = asyncio.create_task(self._keep_alive(), name="scorer")

    async def wait_ready(self) -> None:
        """Return once the child can score. Raises StartupError when it cannot start."""
        await self._is_ready.wait()
        if self._startup_error:
            raise StartupError(self._startup_error)

    async def score_completions(
        self, question: str, samples: Sequence[Sample], urgent: bool = False
    ) -> GroupScore:
        """`urgent`: a user waits for it. Raises ScorerError when this group cannot be scored."""
        judge = self._judge if self._judge is not None and self._judge.takes_part else None
        judged: list[tuple[str, str, float | None]] = []
        request = {
            "question": question,
            "completions": [sample.text for sample in samples],
            "truncated": [sample.is_truncated for sample in samples],
            "mean_logprobs": [sample.mean_logprob for sample in samples],
            "judged": None if judge is None else judged,
        }
        if self._num_groups >= _MAX_GROUPS:
            raise ScorerError(f"{_MAX_GROUPS} groups wait for the scorer already")
        self._num_groups += 1
        try:
            while "score" not in (reply := await self._take_turn(request)):
                if judge is None:
                    raise ScorerError("there is no judge to ask")
                pairs = [(a, b) for a, b in reply["unjudged"]]
                said = await judge.ask(question, pairs, urgent)
                judged += [(a, b, p) for (a, b), p in zip(pairs, said, strict=True)]
        finally:
            self._num_groups -= 1
        return _group_score(reply["score"])

    async def close(self) -> None:
        """End the child: at once when it is idle or hangs, its group's caller gets ScorerError."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._child = None
        self._is_ready.set()

    async def _take_turn(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            return await self._ask(await self._living_child(), request)

    async def _living_child(self) -> Process:
        while True:
            await self._is_ready.wait()
            if self._startup_error:
                raise ScorerError(f"the scorer cannot start: {self._startup_error}")
            if self._child is None:
                raise ScorerError("the scorer is closed")
            if self._child.stdout is not None and not self._child.stdout.at_eof():
                return self._child
            self._abandon(self._child)  # it died while idle: no group has to pay for that

    async def _ask(self, child: Process, request: dict[str, Any]) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        self._next_id += 1
        request_id = self._next_id
        line = json.dumps({"id": request_id, **request}).encode("ascii") + b"\n"
        try:
            async with asyncio.timeout(self._section.timeout_s):
                child.stdin.write(line)
                await child.stdin.drain()
                while True:
                    reply = _parse(await child.stdout.readline())
                    # A caller that was cancelled leaves its reply behind.
                    if reply.get("id") == request_id:
                        break
        except TimeoutError as e:
            self._abandon(child)
            raise ScorerError(
                f"scoring took longer than {self._section.timeout_s:g} s (semantics.timeout_s)"
            ) from e
        except (ConnectionError, ValueError) as e:
            self._abandon(child)
            raise ScorerError(f"the scorer died while scoring: {e}") from e
        if "error" in reply:
            raise ScorerError(f"the group could not be scored: {reply['error']}")
        return reply

    def _abandon(self, child: Process) -> None:
        if child is self._child:
            self._is_ready.clear()
        _kill(child)

    async def _keep_alive(self) -> None:
        backoff_s = 0.5
        while True:
            child = await self._spawn()
            try:
                self._startup_error = await self._wait_for_start(child)
                self._child = child
                self._is_ready.set()
                started_at = asyncio.get_running_loop().time()
                if self._startup_error:
                    log.error("the scorer cannot start: %s", self._startup_error)
                code = await child.wait()
                if asyncio.get_running_loop().time() - started_at > _MAX_BACKOFF_S:
                    backoff_s = 0.5
            finally:
                await _end(child)
            if not self._startup_error:
                self._is_ready.clear()
            log.warning("the scorer ended with code %s; restart in %g s", code, backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)
            self._on_restart()

    async def _spawn(self) -> Process:
        environment = {
            **os.environ,
            # One thread: user requests go first.
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "empo_serve.semantics.scorer",
            self._section.model_dump_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_REPLY_BYTES,
            env=environment,
            # Ctrl-C goes to the gateway alone, which ends its children in order.
            start_new_session=True,
            # Scoring is background work: where cores are few, the engine goes first.
            preexec_fn=lambda: os.nice(_NICE),
        )

    async def _wait_for_start(self, child: Process) -> str | None:
        """None when the child is ready, else why it is not."""
        assert child.stdout is not None
        try:
            async with asyncio.timeout(_STARTUP_TIMEOUT_S):
                reply = _parse(await child.stdout.readline())
        except TimeoutError:
            return f"not ready after {_STARTUP_TIMEOUT_S:g} s"
        except ValueError:
            return "it died while starting; its last lines on standard error say why"
        return None if reply.get("ready") else str(reply.get("error"))


def _kill(child: Process) -> None:
    # Not child.kill(): it reaps a child that just died, and asyncio then loses its exit code.
    # The whole group: a worker that is only starting does not notice yet that its parent is gone.
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


async def _end(child: Process) -> None:
    if child.returncode is None:
        _kill(child)
        await child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _parse(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ValueError("its output ended")
    reply = json.loads(line)
    if not isinstance(reply, dict):
        raise ValueError(f"it sent {line[:80]!r}")
    return reply


def _group_score(score: dict[str, Any]) -> GroupScore:
    return GroupScore(
        **{
            **score,
            "answers": tuple(score["answers"]),
            "semantic_ids": tuple(score["semantic_ids"]),
        }
    )
