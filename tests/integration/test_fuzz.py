"""Wrong bodies by the hundred. The long form is bench/fuzz.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import mutations
import pytest
from fuzzing import is_quiet, rest_of, rss_mb, send
from serving import Served

BODIES, CONCURRENCY = 500, 8


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = ("engine.kind=fake", "semantics.equivalence=rules")
    # Slow enough for some clients to leave in the middle of an answer.
    settings += ('engine.args=["--first-token-s", "0.005"]',)
    server = Served(tmp_path_factory.mktemp("fuzz") / "data", *settings).wait_ready()
    yield server
    assert server.stop() == 0, server.log.read_text()


def test_wrong_bodies_get_error_objects_and_leave_nothing_behind(served: Served) -> None:
    asyncio.run(send(served.url, mutations.requests(0, 100), CONCURRENCY))  # warm everything up
    rss = rss_mb(served)

    outcome = asyncio.run(send(served.url, mutations.requests(1, BODIES), CONCURRENCY))

    assert not outcome.faults, outcome.faults[0]
    assert outcome.statuses.total() == BODIES
    # The corpus is neither all right nor all wrong, and some clients leave.
    assert outcome.statuses["200"] > BODIES / 10, outcome.statuses
    assert outcome.statuses["400"] > BODIES / 4, outcome.statuses
    assert outcome.statuses["left"], outcome.statuses
    deadline = time.monotonic() + 20
    while not is_quiet(served) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(rest_of(served).values()), rest_of(served)
    assert rss_mb(served) < rss + 20
    assert served.chat("Still there?")[0] == 200
    log = served.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]
