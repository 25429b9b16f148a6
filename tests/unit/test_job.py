from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empo_serve.config import TrainSection
from empo_serve.errors import JobError
from empo_serve.train.job import (
    BaseModel,
    Job,
    JobGroup,
    JobResult,
    JobSample,
    StepMetrics,
    config_sha256,
    read_job,
    read_result,
    write_job,
    write_result,
)
from empo_serve.train.sums import SUMS

SAMPLES = (JobSample((5, 6), (-0.5, -1.5), "Paris", False), JobSample((7,), (-0.1,), "", True))
GROUP = JobGroup(7, "q-7", "v0", (1, 2, 3), (0, 1), 0.69, SAMPLES)
METRICS = StepMetrics(
    step=1,
    loss=0.1,
    reward_mean=0.5,
    reward_std=0.1,
    kl=None,
    grad_norm=0.3,
    clip_fraction=0.0,
    importance_ratio_mean=1.0,
    mean_abs_logprob_difference=0.0,
    effective_sample_size=1.0,
    semantic_entropy_mean=0.69,
    groups=1,
    groups_without_signal=0,
    samples=2,
    tokens=3,
    seconds=1.5,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    return directory


@pytest.fixture
def job(model: Path) -> Job:
    base = BaseModel(str(model), config_sha256(model), "bfloat16")
    return Job(3, "v0", base, 0.7, 64, TrainSection(rank=2, seed=11), (GROUP,))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    directory = tmp_path / "v1"
    directory.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "manifest.json"):
        (directory / name).write_text(name, encoding="utf-8")
    return directory


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the (first) JSON object of a file."""
    first, newline, rest = path.read_text(encoding="utf-8").partition("\n")
    if path.name == "job.json":
        first, newline, rest = first + newline + rest, "", ""
    record = json.loads(first)
    change(record)
    path.write_text(json.dumps(record) + newline + rest, encoding="utf-8")


def sum_up(directory: Path) -> None:
    """As somebody does who means to change a job."""
    files = sorted(p for p in directory.rglob("*") if p.is_file() and p.name != SUMS)
    names = [str(p.relative_to(directory)) for p in files]
    sums = subprocess.run(["sha256sum", *names], cwd=directory, check=True, stdout=PIPE).stdout
    (directory / SUMS).write_bytes(sums)


def test_a_job_is_read_as_it_was_written(tmp_path: Path, job: Job) -> None:
    write_job(tmp_path / "updates" / "000003", job)
    assert read_job(tmp_path / "updates" / "000003") == job
    assert not (tmp_path / "updates" / "000003" / "parent").exists()
    assert [p.name for p in (tmp_path / "updates").iterdir()] == ["000003"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(answer=st.text(st.characters(codec="utf-8")), logprob=st.floats(-50, 0))
def test_any_answer_and_log_probability_survive(
    tmp_path_factory: pytest.TempPathFactory, job: Job, answer: str, logprob: float
) -> None:
    directory = tmp_path_factory.mktemp("job") / "1"
    sample = JobSample((5, 6), (logprob, -1.0), answer, False)
    job = replace(job, groups=(replace(GROUP, samples=(sample, sample)), GROUP))
    write_job(directory, job)
    assert read_job(directory) == job


def test_the_parent_is_copied_with_its_optimizer_state(
    tmp_path: Path, job: Job, adapter: Path
) -> None:
    (tmp_path / "state.pt").write_bytes(b"state")
    job = replace(job, parent_version="v1")
    write_job(tmp_path / "1", job, adapter, tmp_path / "state.pt")
    assert sorted(p.name for p in (tmp_path / "1" / "parent").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "optimizer.pt",
    ]
    write_job(tmp_path / "2", job, adapter)
    assert not (tmp_path / "2" / "parent" / "optimizer.pt").exists()


def test_what_a_killed_writer_left_does_not_matter(tmp_path: Path, job: Job) -> None:
    (tmp_path / ".1.tmp").mkdir()
    (tmp_path / ".1.tmp" / "junk").touch()
    write_job(tmp_path / "1", job)
    names = sorted(p.name for p in (tmp_path / "1").iterdir())
    assert names == [SUMS, "groups.jsonl", "job.json"]


def test_a_job_that_the_trainer_would_refuse_is_not_written(tmp_path: Path, job: Job) -> None:
    bad = replace(GROUP, samples=(SAMPLES[0], JobSample((7,), (float("nan"),), "x", False)))
    with pytest.raises(JobError, match="finite"):
        write_job(tmp_path / "1", replace(job, groups=(bad,)))
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("job.json", lambda r: r.update(format=2), "format"),
        ("job.json", lambda r: r.pop("temperature"), "temperature"),
        ("job.json", lambda r: r.update(temperature=0), "temperature"),
        ("job.json", lambda r: r.update(surprise=1), "surprise"),
        ("job.json", lambda r: r["train"].update(rank=0), "train.rank"),
        ("job.json", lambda r: r["train"].update(surprise=1), "train.surprise"),
        ("job.json", lambda r: r.update(num_groups=2), "has 1 groups"),
        ("job.json", lambda r: r.update(parent_version="v1"), "must be there"),
        ("job.json", lambda r: r["base_model"].update(path="model"), "must be absolute"),
        ("job.json", lambda r: r["base_model"].update(path="/none"), "config.json is missing"),
        ("job.json", lambda r: r["base_model"].update(config_sha256="0"), "not the one"),
        ("groups.jsonl", lambda r: r["samples"][0].update(logprobs=[-1.0]), "2 tokens and 1"),
        ("groups.jsonl", lambda r: r["samples"][0].update(logprobs=[-1, float("nan")]), "finite"),
        ("groups.jsonl", lambda r: r["samples"][0].update(token_ids=["5", "6"]), "token_ids.0"),
        ("groups.jsonl", lambda r: r["samples"].pop(), "two samples"),
        ("groups.jsonl", lambda r: r["semantic_ids"].pop(), "semantic id for each"),
        ("groups.jsonl", lambda r: r.update(prompt_token_ids=[]), "prompt_token_ids is empty"),
    ],
)
def test_a_wrong_job_is_refused_with_one_line(
    tmp_path: Path, job: Job, file: str, change: Any, message: str
) -> None:
    write_job(tmp_path / "1", job)
    edit(tmp_path / "1" / file, change)
    sum_up(tmp_path / "1")
    with pytest.raises(JobError, match=message) as error:
        read_job(tmp_path / "1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["job.json", "groups.jsonl"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_missing_or_damaged_file_is_named(
    tmp_path: Path, job: Job, file: str, content: bytes | None
) -> None:
    write_job(tmp_path / "1", job)
    (tmp_path / "1" / file).unlink()
    if content is not None:
        (tmp_path / "1" / file).write_bytes(content)
        sum_up(tmp_path / "1")
    with pytest.raises(JobError, match=file) as error:
        read_job(tmp_path / "1")
    assert "\n" not in str(error.value)


def test_an_incomplete_parent_is_refused(tmp_path: Path, job: Job, adapter: Path) -> None:
    write_job(tmp_path / "1", replace(job, parent_version="v1"), adapter)
    (tmp_path / "1" / "parent" / "adapter_config.json").unlink()
    sum_up(tmp_path / "1")
    with pytest.raises(JobError, match=r"adapter_config\.json is missing"):
        read_job(tmp_path / "1")


@pytest.mark.parametrize(
    "file", ["job.json", "groups.jsonl", "parent/adapter_model.safetensors", "parent/optimizer.pt"]
)
@pytest.mark.parametrize("damage", ["edited", "cut off", "lost"])
def test_a_file_that_is_not_as_it_was_written_is_refused_by_its_hash(
    tmp_path: Path, job: Job, adapter: Path, file: str, damage: str
) -> None:
    (tmp_path / "state.pt").write_bytes(b"state")
    write_job(tmp_path / "1", replace(job, parent_version="v1"), adapter, tmp_path / "state.pt")
    path = tmp_path / "1" / file
    content = path.read_bytes()
    match damage:
        case "edited":
            path.write_bytes(content.replace(b"e", b"f", 1))
        case "cut off":
            path.write_bytes(content[:-1])
        case "lost":
            path.unlink()
    with pytest.raises(JobError, match=f"{file} is (not as it was written|missing)") as error:
        read_job(tmp_path / "1")
    assert "\n" not in str(error.value)


def test_a_file_that_came_later_is_refused(tmp_path: Path, job: Job, adapter: Path) -> None:
    write_job(tmp_path / "1", replace(job, parent_version="v1"), adapter)
    (tmp_path / "1" / "parent" / "optimizer.pt").write_bytes(b"of another job")
    with pytest.raises(JobError, match=r"optimizer\.pt is not in SHA256SUMS"):
        read_job(tmp_path / "1")


def test_a_job_without_sums_is_refused(tmp_path: Path, job: Job) -> None:
    write_job(tmp_path / "1", job)
    (tmp_path / "1" / SUMS).unlink()
    with pytest.raises(JobError, match="SHA256SUMS, so nothing vouches"):
        read_job(tmp_path / "1")


def test_the_sums_are_those_of_sha256sum(tmp_path: Path, job: Job, adapter: Path) -> None:
    write_job(tmp_path / "1", replace(job, parent_version="v1"), adapter)
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=tmp_path / "1", check=True)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    result = JobResult("trained", 3, METRICS, {"adapter_config.json": "00"})
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result


def test_a_damaged_result_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"status": "done"}', encoding="utf-8")
    with pytest.raises(JobError, match=r"result\.json"):
        read_result(tmp_path)


def test_this_module_needs_no_torch() -> None:
    import sys

    code = (
        "import sys, empo_serve.train.job, empo_serve.train.rewards, empo_serve.train.bundled, "
        "empo_serve.train.zero_adapter; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
