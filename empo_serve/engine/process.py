"""A child process that must not outlive us: the engine, the trainer."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_ON_ITS_WAY = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
_libc = ctypes.CDLL(None, use_errno=True)


class ChildProcess:
    """A child in a process group of its own, with its output in a log file.

    Stopping it ends the whole group. If this process dies without stopping it, the kernel sends
    the child SIGTERM.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        nice: int = 0,
    ) -> ChildProcess:
        parent = os.getpid()

        def in_child() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)  # the parent died before it could be watched
            if nice:
                os.nice(nice)

        with open(log, "ab") as output:  # noqa: ASYNC230 - opens a local log once per child
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                preexec_fn=in_child,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self, grace_s: float = 10.0) -> None:
        """SIGTERM to the child, then SIGKILL to what is left of its group. Idempotent."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        # The leader may be gone while its own children still hold memory and ports.
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """SIGKILL to the whole group, which ends even a stopped or hung one. Does not wait."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def activity(self) -> tuple[float, bool]:
        """CPU seconds that the child and its own children have used so far, and whether one of
        them is on its way at this moment, if only waiting for a core or for the disk."""
        seconds, is_on_its_way = 0.0, False
        with contextlib.suppress(psutil.NoSuchProcess):
            child = psutil.Process(self._process.pid)
            for process in (child, *child.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    seconds += times.user + times.system
                    is_on_its_way |= process.status() in _ON_ITS_WAY
        return seconds, is_on_its_way

    def last_lines(self, count: int = 20) -> str:
        """The end of its log, for an error message."""
        return last_lines(self.log, count)


def last_lines(log: Path, count: int = 20) -> str:
    try:
        with open(log, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 16_384))
            text = f.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.replace("\r", "\n").splitlines()[-count:])
