"""Comparison of mathematics by math-verify, in worker processes that can be killed.

math-verify's own timeout is SIGALRM, which is wrong off the main thread, and SymPy can take all
time and memory for a line of text (9**9**9). So each comparison runs in a worker with a wall clock
and a memory limit. A comparison that does not end has no verdict: never "different".
"""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from empo_serve.errors import StartupError
from empo_serve.semantics.base import Verdict

_MAX_LENGTH = 1000  # characters; a longer text is no final answer
_WORKER_MEMORY_BYTES = 4 * 2**30
_COMPARISONS_PER_WORKER = 500  # SymPy's caches grow
_STARTUP_TIMEOUT_S = 60.0
_MAX_KILLERS = 256
_COSTLY = re.compile(r"\^|\*\*|!|\\(?:sum|prod|int|binom)")  # what SymPy may compute for ever


class MathWorkers:
    """A pool of processes that compare mathematical answers.

    Raises StartupError when math-verify or pebble is not installed.
    """

    def __init__(self, num_workers: int, timeout_s: float) -> None:
        for package in ("math_verify", "pebble"):
            # Looked up, not imported: SymPy is for the workers alone.
            if importlib.util.find_spec(package) is None:
                raise StartupError(
                    f"comparing mathematics needs {package}: pip install 'empo-serve[semantics]'"
                )
        import pebble

        self._num_workers = num_workers
        self._timeout_s = timeout_s
        self._killers: set[str] = set()  # texts that a worker was killed over
        # Spawned, not forked: the parent may have threads of torch.
        self._pool = pebble.ProcessPool(
            max_workers=num_workers,
            max_tasks=_COMPARISONS_PER_WORKER,
            initializer=_start_worker,
            context=multiprocessing.get_context("spawn"),
        )

    def load(self) -> None:
        """Start a worker now."""
        future = self._pool.schedule(_same_mathematics, args=("1", "1"), timeout=_STARTUP_TIMEOUT_S)
        future.result()

    def same(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """`same` is None where a side is no mathematics ("math"), or the comparison took too long,
        too much memory or its worker's life ("math_timeout")."""
        verdicts: list[Verdict] = []
        for start in range(0, len(pairs), self._num_workers):
            batch = pairs[start : start + self._num_workers]
            futures = [self._schedule(a, b) for a, b in batch]
            for (a, b), future in zip(batch, futures, strict=True):
                verdicts.append(self._verdict(a, b, future))
        return verdicts

    def close(self) -> None:
        self._pool.stop()
        self._pool.join()

    def _schedule(self, a: str, b: str) -> Any:
        if max(len(a), len(b)) > _MAX_LENGTH or self._killers & {a, b}:
            return None
        return self._pool.schedule(_same_mathematics, args=(a, b), timeout=self._timeout_s)

    def _verdict(self, a: str, b: str, future: Any) -> Verdict:
        import pebble

        if future is None:
            return Verdict(None, "math_timeout" if self._killers & {a, b} else "math")
        try:
            return Verdict(future.result(), "math")
        except (FutureTimeoutError, pebble.ProcessExpired, MemoryError):
            # One hostile answer of a group must not cost its time limit for each of the others.
            if len(self._killers) >= _MAX_KILLERS:
                self._killers.clear()
            self._killers |= {text for text in (a, b) if _COSTLY.search(text)}
            return Verdict(None, "math_timeout")


def _start_worker() -> None:
    if sys.platform == "linux":
        # A worker in a long computation does not notice that its parent was killed.
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_WORKER_MEMORY_BYTES, _WORKER_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(2, 1)  # standard output may be a protocol: nothing that SymPy prints goes there
    # Imports, and the parser's tables: they must not eat up the time of a real comparison.
    _same_mathematics("\\frac{1}{2}x + 1", "0.5x + 1")


def _same_mathematics(a: str, b: str) -> bool | None:
    """Runs in a worker. None when a side cannot be read."""
    import logging

    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)  # math-verify logs a traceback for each text it cannot read
    configs = [LatexExtractionConfig(), ExprExtractionConfig()]
    try:
        # Timeouts off: they are SIGALRM, and this process is killed from outside instead.
        sides = [
            parse(_as_latex(t), extraction_config=configs, parsing_timeout=None) for t in (a, b)
        ]
        if not all(sides) or any(isinstance(side[0], str) for side in sides):
            return None
        one, other = sides
        # verify() is not symmetric: "x = 5" against "5" holds one way only.
        return bool(
            verify(one, other, timeout_seconds=None) or verify(other, one, timeout_seconds=None)
        )
    except (
        RecursionError,
        OverflowError,
        ValueError,
        TypeError,
        AttributeError,
        ZeroDivisionError,
    ):
        return None  # SymPy gives up on hostile text in many ways; none of them is a verdict


def _as_latex(text: str) -> str:
    text = text.replace("−", "-").replace("π", "\\pi").replace("∪", "\\cup").replace("∞", "\\infty")
    return text if "$" in text else f"${text}$"
