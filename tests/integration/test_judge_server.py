"""`empo-serve serve` with a judge, from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge_endpoint import JudgeEndpoint, honest, judge_endpoint
from serving import Served

pytestmark = pytest.mark.slow

FAKE = ("engine.kind=fake", "train.enabled=false", "sampling.early_stop=false")
QUESTIONS = [f"What is the word number {i}?" for i in range(6)]


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    with judge_endpoint(honest) as running:
        yield running


def start(data_dir: Path, *settings: str) -> Served:
    return Served(data_dir, *FAKE, *settings).wait_ready()


def test_an_endpoint_judges_the_groups_and_a_users_own_request(
    endpoint: JudgeEndpoint, tmp_path: Path
) -> None:
    server = start(
        tmp_path / "data",
        *(f"semantics.judge_url={endpoint.url}", "semantics.judge_model=m"),
        "semantics.equivalence=judge",
    )
    try:
        for question in QUESTIONS:
            assert server.chat(question)[0] == 200
        server.wait_sampled()
        assert server.metric("empo_judge_pairs_total") > 0
        assert server.metric("empo_judge_takes_part") == 1
        asked = {question for question, *_ in endpoint.asked}
        assert asked & set(QUESTIONS)
        status, answer = server.chat("What else is there?", empo={"samples": 8}, temperature=1)
        assert status == 200
        assert answer["empo"]["samples"] == 8
        judge = server.until(
            lambda: (
                (j := server.get("/admin/v1/status", admin=True)[1]["judge"])["check"][:4] == "prec"
                and j
            )
        )
        assert judge["takes_part"] is True
        assert "m at http://127.0.0.1" in judge["model"]
        endpoint.rule = lambda question, a, b: 500
        # A failing judge costs the group, never the user.
        for question in QUESTIONS:
            assert server.chat(question + " And now?")[0] == 200
        server.wait_sampled()
        assert server.metric("empo_dropped_total") > 0
        log = server.log.read_text()
        assert "the judge does not answer" in log
        assert "Traceback" not in log
    finally:
        assert server.stop() == 0


def test_a_served_model_that_cannot_judge_leaves_groups_unscored_and_users_in_peace(
    tmp_path: Path,
) -> None:
    server = start(tmp_path / "data", "semantics.equivalence=judge")
    try:
        for question in QUESTIONS:
            assert server.chat(question)[0] == 200
        server.wait_sampled()
        server.until(lambda: server.metric("empo_judge_recall") == 0)
        log = server.until(
            lambda: "v0 takes part all the same" in (text := server.log.read_text()) and text
        )
        assert "40 without a yes or no" in log
        assert "the judge said neither yes nor no" in log
        assert server.metric("empo_scorer_restarts_total") == 0
        assert server.get("/admin/v1/status", admin=True)[1]["loaded"]["v0"] == 0
    finally:
        assert server.stop() == 0
