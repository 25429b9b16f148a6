"""Comparison of mathematics by math-verify, in worker processes that can be killed.

math-verify's own timeout is SIGALRM, which is wrong off the main thread, and SymPy can take all
time and memory for a line of text (9**9**9). So each comparison runs in a worker with a wall clock
and a memory limit. A comparison that does not end has no verdict, and its group no score.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from empo_serve.errors import ScorerError, StartupError
from empo_serve.semantics.base import Verdict

_MAX_LENGTH = 1000  # characters; a longer text is no final answer
_WORKER_MEMORY_BYTES = 4 * 2**30
_COMPARISONS_PER_WORKER = 500  # SymPy's caches grow
_STARTUP_TIMEOUT_S = 60.0
_MAX_KILLERS = 256
_KILLERS_FOR_S = 600.0  # not for ever: a busy machine may have been the reason
_OUT_OF_MEMORY = 1  # exit code


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
        self._killers: dict[tuple[str, str], float] = {}  # when a worker was killed over a pair
        # Workers are forked, so that the next one is there at once, from a process without the
        # threads of torch that this one may have.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["empo_serve.semantics.math_preload"])
        self._pool = pebble.ProcessPool(
            max_workers=num_workers,
            max_tasks=_COMPARISONS_PER_WORKER,
            initializer=_start_worker,
            context=context,
        )

    def load(self) -> None:
        """Start a worker now."""
        future = self._pool.schedule(same_mathematics, args=("1", "1"), timeout=_STARTUP_TIMEOUT_S)
        future.result()

    def same(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """`same` is None where a side is no mathematics.

        Raises ScorerError at the first comparison that takes too long, too much memory or its
        worker's life, and again for the same pair: a hostile group costs one worker.
        """
        for pair in pairs:
            if time.monotonic() - self._killers.get(pair, -math.inf) < _KILLERS_FOR_S:
                raise _not_compared(pair)
        verdicts: list[Verdict] = []
        for start in range(0, len(pairs), self._num_workers):
            batch = pairs[start : start + self._num_workers]
            futures = [self._schedule(a, b) for a, b in batch]
            for pair, future in zip(batch, futures, strict=True):
                verdicts.append(Verdict(self._result(pair, future), "math"))
        return verdicts

    def close(self) -> None:
        self._pool.stop()
        self._pool.join()

    def _schedule(self, a: str, b: str) -> Any:
        if max(len(a), len(b)) > _MAX_LENGTH:
            return None
        return self._pool.schedule(same_mathematics, args=(a, b), timeout=self._timeout_s)

    def _result(self, pair: tuple[str, str], future: Any) -> bool | None:
        import pebble

        if future is None:
            return None
        try:
            result: bool | None = future.result()
            return result
        except (FutureTimeoutError, pebble.ProcessExpired) as e:
            # The pair, not its texts: one that is innocent may meet others in other groups.
            self._killers[pair] = time.monotonic()
            if len(self._killers) > _MAX_KILLERS:
                del self._killers[next(iter(self._killers))]
            raise _not_compared(pair) from e


def _not_compared(pair: tuple[str, str]) -> ScorerError:
    one, other = (ascii(text if len(text) <= 40 else text[:40] + "...") for text in pair)
    return ScorerError(
        f"comparing {one} with {other} takes too long (semantics.math_timeout_s) or too much memory"
    )


def _start_worker() -> None:
    if sys.platform == "linux":
        # A worker in a long computation does not notice that its parent was killed.
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_WORKER_MEMORY_BYTES, _WORKER_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(2, 1)  # standard output may be a protocol: nothing that SymPy prints goes there


def same_mathematics(a: str, b: str) -> bool | None:
    """Runs in a worker. None when a side cannot be read."""
    import logging

    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
    from sympy import Expr

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
        if one[-1] == other[-1]:
            return True  # one text, as math-verify normalises it
        if verify(one, other, timeout_seconds=None):
            return True
        # It is not symmetric: "x = 5" against "5" holds one way only. Of two values it is.
        if isinstance(one[0], Expr) and isinstance(other[0], Expr):
            return False
        return bool(verify(other, one, timeout_seconds=None))
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)  # what it still holds must not be the next comparison's limit
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
