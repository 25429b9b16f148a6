"""Servers that several files of this directory share."""

from __future__ import annotations

from collections.abc import Iterator

import guarded as guarded_server
import pytest
from serving import Served


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with API keys and low limits."""
    server = guarded_server.start(tmp_path_factory.mktemp("guarded"))
    yield server
    assert server.stop() == 0, server.log.read_text()
    log = server.log.read_text()
    assert "Traceback" not in log, log
    assert "no API keys" not in log
    for key in guarded_server.KEYS.values():
        assert key not in log
