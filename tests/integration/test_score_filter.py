from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judge_endpoint import honest, judge_endpoint

from empo_serve.config import SemanticsSection
from empo_serve.semantics.filter import Kind, run

RULES = SemanticsSection(equivalence="rules")
QUESTION = "What is the capital of France?"


def score(kind: Kind, *lines: object, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    code = run(kind, (line + "\n" for line in text), out, RULES, **options)
    return code, [
        json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().split("\n")[:-1]
    ]


def test_pairs_get_a_verdict() -> None:
    code, results = score(
        "pairs",
        {"id": 7, "question": QUESTION, "a": "Paris", "b": "The capital of France is Paris."},
        {"question": QUESTION, "a": "Paris", "b": "Lyon"},
        {"question": QUESTION, "a": "", "b": ""},
    )
    assert code == 0
    assert [r["same"] for r in results] == [True, False, False]
    assert results[0]["id"] == 7
    assert results[0]["method"] == "exact"


def test_extract_adds_the_answer() -> None:
    code, results = score("extract", {"question": QUESTION, "completion": "It is **Paris**."})
    assert code == 0
    assert results[0]["answer"] == "Paris"


def test_groups_get_clusters_entropy_and_band() -> None:
    answers = ["Paris", "paris", "The capital of France is Paris.", "Lyon", ""]
    code, (result,) = score(
        "groups",
        {"question": QUESTION, "answers": answers, "mean_logprobs": [-1, -1, -1, -1, -1.0]},
        band=lambda ids, answers: f"{len(set(ids))} {answers[-1]!r}",
    )
    assert code == 0
    assert result["answers"] == answers
    assert result["semantic_ids"] == [0, 0, 0, 1, 2]
    assert result["num_clusters"] == 3
    assert result["semantic_entropy"] == pytest.approx(0.950271, abs=1e-6)
    assert result["semantic_entropy_norm"] == pytest.approx(0.590434, abs=1e-5)
    assert result["confidence"] == pytest.approx(1 - result["semantic_entropy_norm"])
    assert result["rao_semantic_entropy"] == pytest.approx(result["semantic_entropy"])
    assert result["band"] == "3 ''"


def test_the_entropy_is_the_estimate_that_the_configuration_names() -> None:
    section = SemanticsSection(equivalence="rules", entropy_estimator="miller_madow")
    line = json.dumps({"question": QUESTION, "answers": ["Paris", "Paris", "Paris", "Lyon"]})
    out = io.StringIO()
    assert run("groups", [line], out, section) == 0
    result = json.loads(out.getvalue())
    assert result["semantic_entropy"] == pytest.approx(0.562335 + 1 / 8, abs=1e-6)
    assert result["confidence"] == pytest.approx(
        1 - result["semantic_entropy"] / 1.386294, abs=1e-6
    )


def test_groups_may_hold_completions() -> None:
    _, (result,) = score(
        "groups", {"question": QUESTION, "completions": ["\\boxed{Paris}", "Paris"]}
    )
    assert result["semantic_ids"] == [0, 0]


def test_one_sample_has_no_confidence() -> None:
    _, (result,) = score("groups", {"question": QUESTION, "answers": ["Paris"]})
    assert result["confidence"] is None
    assert result["semantic_entropy"] == 0


def test_a_bad_line_is_an_error_in_its_place() -> None:
    good = {"question": QUESTION, "answers": ["Paris", "Lyon"]}
    code, results = score(
        "groups",
        good,
        "not JSON",
        "",
        "[]",
        "null",
        {"question": QUESTION},
        {"question": 5, "answers": ["a"]},
        {"question": QUESTION, "answers": []},
        {"question": QUESTION, "answers": ["a", None]},
        {**good, "mean_logprobs": [-1.0]},
        {**good, "mean_logprobs": [-1.0, None]},
        '{"question": "q", "answers": ["a", "b"], "mean_logprobs": [NaN, 1]}',
        '{"question": "q", "answers": ["a", "b"], "mean_logprobs": [1e999, 1]}',
        '{"question": "q", "answers": ["a", "b"], "note": 1e999}',
        "[" * 100_000,
        good,
    )
    assert code == 1
    assert [sorted(r) == ["error"] for r in results] == [False] + [True] * 14 + [False]


@pytest.mark.slow
@pytest.mark.parametrize("endless", ["9^{9^{9}}", r"\binom{10^{9}}{5\cdot 10^{8}}"])
def test_mathematics_without_end_is_an_error_in_its_place(endless: str) -> None:
    good = {"question": QUESTION, "answers": ["Paris", "Lyon"]}
    code, (error, result) = score(
        "groups", {"question": "Compute.", "answers": [endless, "8^{8}"]}, good
    )
    assert code == 1
    assert list(error) == ["error"]
    assert "too" in error["error"]
    assert result["num_clusters"] == 2
    code, (error,) = score("pairs", {"question": "Compute.", "a": endless, "b": "8^{8}"})
    assert (code, list(error)) == (1, ["error"])


def test_lone_surrogates_come_out_as_they_went_in() -> None:
    code, (result,) = score("groups", '{"question": "q", "answers": ["\\ud800", "\\ud800"]}')
    assert code == 0
    assert result["answers"] == ["\ud800", "\ud800"]


def test_each_line_is_written_before_the_next_is_read() -> None:
    out = io.StringIO()

    def lines() -> Any:
        for i in range(3):
            assert out.getvalue().count("\n") == i
            yield json.dumps({"question": QUESTION, "completion": "Paris"})

    assert run("extract", lines(), out, RULES) == 0


def run_cli(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "empo_serve", "score", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


PAIR = {
    "question": "Why was the bridge closed?",
    "a": "A lorry had damaged one of the pillars",
    "b": "A lorry had damaged one of the pillars (in the night)",
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--equivalence", "judge"), "give --set semantics.judge_url=URL"),
        (("--equivalence", "nli"), "needs semantics.nli_model"),
    ],
)
def test_a_back_end_that_lacks_a_setting_is_bad_usage(
    arguments: tuple[str, ...], message: str
) -> None:
    result = run_cli(json.dumps(PAIR), "pairs", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_nli_model_that_is_not_there_is_told_before_the_first_line() -> None:
    result = run_cli(
        json.dumps(PAIR), "pairs", "--equivalence", "nli", "--set", "semantics.nli_model=./no/such"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "empo-serve: semantics.nli_model ./no/such is no directory\n"


def test_the_judge_of_an_endpoint_decides_and_its_failure_is_an_error_in_its_place() -> None:
    with judge_endpoint(honest) as endpoint:

        def rule(question: str, a: str, b: str) -> dict[str, float] | int:
            return 500 if "fails" in question else honest(question, a, b)

        endpoint.rule = rule
        lines = [PAIR, PAIR | {"b": "It snowed"}, PAIR | {"question": "What fails?"}, PAIR]
        result = run_cli(
            "".join(json.dumps(line) + "\n" for line in lines),
            *("pairs", "--equivalence", "judge", "--set", f"semantics.judge_url={endpoint.url}"),
            *("--set", "semantics.judge_model=m"),
        )
    assert result.returncode == 1
    first, second, third, fourth = map(json.loads, result.stdout.splitlines())
    assert (first["same"], first["method"]) == (True, "judge")
    assert (second["same"], second["method"]) == (False, "judge")
    assert list(third) == ["error"]
    assert "the judge does not answer" in third["error"]
    assert fourth == first
    assert "takes part: precision 1.00" in result.stderr
    questions = [question for question, *_ in endpoint.asked]
    assert questions.count(PAIR["question"]) == 4  # two pairs, both orders, the last from memory


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "pairs",
            {"question": QUESTION, "a": "Paris", "b": "Lyon"},
            [{"b": None}, {"question": ["q"]}, {"a": 1}, {"b": {}}],
        ),
        (
            "extract",
            {"question": QUESTION, "completion": "Paris"},
            [{"completion": None}, {"question": None}, {"completion": ["Paris"]}],
        ),
    ],
)
def test_a_field_of_the_wrong_kind_is_an_error_in_its_place(
    kind: Kind, good: dict[str, Any], bad: list[dict[str, Any]]
) -> None:
    whole = [good | fields for fields in bad]
    missing = [{k: v for k, v in good.items() if k != field} for field in good]
    code, results = score(kind, good, *whole, *missing, good)
    assert code == 1
    errors = [list(result) == ["error"] for result in results]
    assert errors == [False, *[True] * (len(whole) + len(missing)), False]


def test_bytes_that_are_no_utf_8_spoil_their_own_line_only(tmp_path: Path) -> None:
    line = json.dumps({"question": QUESTION, "completion": "It is Paris."}).encode()
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"\xff\xfe\n" + line + b'\n{"question": "\x80", "completion": 5}\n' + line)
    results = [
        run_cli("", "extract", str(file)),
        subprocess.run(
            [sys.executable, "-m", "empo_serve", "score", "extract"],
            input=file.read_bytes(),
            capture_output=True,
            timeout=100,
            check=False,
        ),
    ]
    for result in results:
        assert result.returncode == 1
        rows = [json.loads(row) for row in result.stdout.splitlines()]
        assert [row.get("answer") for row in rows] == [None, "Paris", None, "Paris"]
        assert [list(row) == ["error"] for row in rows] == [True, False, True, False]


def test_a_file_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    result = run_cli("", "pairs", str(tmp_path / "none"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such file" in result.stderr
