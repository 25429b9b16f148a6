"""Background processes that let the engine go first."""

from __future__ import annotations

import contextlib
import os


def give_way(nice: int) -> None:
    """Add to the niceness of this process, which leads a session of its own.

    Linux may share processor time among sessions before it does among processes (autogroups). A
    niceness then counts only within its session, so the session gets one too.
    """
    os.nice(nice)
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
        f.write(str(nice))
