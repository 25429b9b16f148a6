"""Background processes give way, also where Linux shares time among sessions first."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from empo_serve.engine.process import ChildProcess

AUTOGROUP = Path("/proc/self/autogroup")


def _autogroup_nice(pid: int) -> int:
    found = re.search(r"nice (-?\d+)", Path(f"/proc/{pid}/autogroup").read_text())
    assert found
    return int(found[1])


async def test_a_child_that_is_nice_is_so_as_a_session_too(tmp_path: Path) -> None:
    child = await ChildProcess.start(["sleep", "60"], tmp_path / "log", nice=7)
    try:
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 7
        if AUTOGROUP.exists() and AUTOGROUP.read_text().strip():
            assert _autogroup_nice(child.pid) == 7
            assert _autogroup_nice(os.getpid()) == 0  # the parent's session is as it was
    finally:
        await child.stop()


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="no autogroups in this kernel")
async def test_a_child_without_niceness_is_left_alone(tmp_path: Path) -> None:
    child = await ChildProcess.start(["sleep", "60"], tmp_path / "log")
    try:
        assert _autogroup_nice(child.pid) == 0
    finally:
        await child.stop()
