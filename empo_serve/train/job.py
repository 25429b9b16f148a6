"""The job directory of one training update: all that the trainer reads, and what it leaves.

updates/000012/
  job.json  groups.jsonl          what to train on; never changed once written
  parent/                         adapter_config.json, adapter_model.safetensors and, where there
                                  is one, optimizer.pt; absent when the parent is v0
  SHA256SUMS                      of all these, as `sha256sum -c` reads it
  adapter/  optimizer.pt  metrics.jsonl
  result.json                     written by the trainer, this one last: it marks the end

The directory is the audit trail: an update can be replayed from it, here or on another machine
that has the base model. No torch in here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from empo_serve.config import TrainSection
from empo_serve.db.durable import publish_directory, replace_file, temporary_beside
from empo_serve.errors import JobError
from empo_serve.train.sums import check_sums, write_sums

FORMAT = 1
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
OPTIMIZER = "optimizer.pt"

# NaN has no place in a job, and a key that nobody knows is a job of another version.
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobSample:
    """One completion: the sampler's own token ids and their log-probabilities (nats, with the
    sampling temperature applied). `answer` is "" when there is none; `copies_question`: it only
    repeats the question."""

    __pydantic_config__ = _STRICT

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    answer: str
    truncated: bool
    copies_question: bool = False


@dataclass(frozen=True, slots=True)
class JobGroup:
    """The samples of one query; `version` is the adapter version that gave them, `staleness` how
    many versions that one is behind the version that this job is to replace.

    `semantic_ids[i]` is the cluster of sample i; `semantic_entropy` is in nats.
    """

    __pydantic_config__ = _STRICT

    group_id: int
    query_id: str
    version: str
    prompt_token_ids: tuple[int, ...]
    semantic_ids: tuple[int, ...]
    semantic_entropy: float
    samples: tuple[JobSample, ...]
    staleness: int = 0


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model under the adapter: an absolute path, and the digest of its config.json."""

    __pydantic_config__ = _STRICT

    path: str
    config_sha256: str
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"


@dataclass(frozen=True, slots=True)
class Job:
    """One update. `temperature` is that of sampling; `max_completion_length` is the limit on a
    completion in tokens, the constant L of the "dr_grpo" loss. The seed is `train.seed`."""

    update_id: int
    parent_version: str
    base_model: BaseModel
    temperature: float
    max_completion_length: int
    train: TrainSection
    groups: tuple[JobGroup, ...]


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What one optimiser step was made of. Log-probabilities, kl and entropies are in nats.

    `loss`, `kl` to `effective_sample_size`, `token_entropy` (of the trainer's distribution, mean
    over completion tokens) and `tokens` are over what was trained on, everything else over all
    groups of the step. `reward_std` is the mean of the groups' own. `completion_length_mean` is in
    tokens; `no_answer_rate` counts truncated samples too; `staleness_*` is in versions per sample;
    `unanimity_rate` is the share of groups whose answers all mean the same.
    None: not computed (`kl` with beta = 0; anything of a skipped update).
    """

    step: int
    loss: float | None
    reward_mean: float
    reward_std: float
    kl: float | None
    grad_norm: float | None
    clip_fraction: float | None
    importance_ratio_mean: float | None
    mean_abs_logprob_difference: float | None
    effective_sample_size: float | None
    semantic_entropy_mean: float
    groups: int
    groups_without_signal: int
    samples: int
    tokens: int
    seconds: float
    token_entropy: float | None = None
    completion_length_mean: float = 0.0
    no_answer_rate: float = 0.0
    truncation_rate: float = 0.0
    staleness_mean: float = 0.0
    staleness_max: int = 0
    unanimity_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended. "skipped": no group had a signal, so there is no adapter.

    `metrics` sums its steps up; `files` maps each file of the adapter to its sha256.
    """

    status: Literal["trained", "skipped"]
    update_id: int
    metrics: StepMetrics
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Header:
    """job.json: a Job without its groups."""

    __pydantic_config__ = _STRICT

    format: Literal[1]
    update_id: int
    parent_version: str
    base_model: BaseModel
    temperature: float
    max_completion_length: int
    train: TrainSection
    num_groups: int


def config_sha256(model: Path) -> str:
    """What `BaseModel.config_sha256` is for the model in this directory."""
    return hashlib.sha256((model / "config.json").read_bytes()).hexdigest()


def write_job(
    directory: Path, job: Job, parent: Path | None = None, optimizer: Path | None = None
) -> None:
    """Write a job directory, complete or not at all. Raises JobError if the job is not usable.

    `parent` is the directory of the adapter to go on from, None to start at v0; `optimizer` the
    optimiser state that belongs to it, if there is one.
    """
    temporary = temporary_beside(directory)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    header = {"format": FORMAT, **asdict(job), "num_groups": len(job.groups)}
    del header["groups"]
    header["train"] = job.train.model_dump(mode="json")
    (temporary / "job.json").write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")
    with open(temporary / "groups.jsonl", "w", encoding="utf-8") as f:
        for group in job.groups:
            f.write(json.dumps(asdict(group)) + "\n")
    if parent is not None:
        (temporary / "parent").mkdir()
        for name in ADAPTER_FILES:
            shutil.copyfile(parent / name, temporary / "parent" / name)
        if optimizer is not None:
            shutil.copyfile(optimizer, temporary / "parent" / OPTIMIZER)
    write_sums(temporary)
    read_job(temporary)  # nothing is handed over that the trainer would refuse
    publish_directory(temporary, directory)


def read_job(directory: Path) -> Job:
    """Read and check a job directory. Raises JobError with one line that says what is wrong."""
    check_sums(directory)
    header = _parse(_Header, _read(directory / "job.json"), str(directory / "job.json"))
    groups = []
    for number, line in enumerate(
        _read(directory / "groups.jsonl").rstrip("\n").split("\n"), start=1
    ):
        where = f"{directory / 'groups.jsonl'} line {number}"
        group = _parse(JobGroup, line, where)
        _check_group(group, where)
        groups.append(group)
    if not groups or len(groups) != header.num_groups:
        raise JobError(
            f"{directory / 'groups.jsonl'} has {len(groups)} groups, job.json speaks of "
            f"{header.num_groups}"
        )
    _check_base_model(header.base_model)
    _check_parent(directory / "parent", header.parent_version)
    if header.temperature <= 0 or header.max_completion_length < 1:
        raise JobError(
            f"{directory / 'job.json'}: temperature and max_completion_length must be positive"
        )
    return Job(
        update_id=header.update_id,
        parent_version=header.parent_version,
        base_model=header.base_model,
        temperature=header.temperature,
        max_completion_length=header.max_completion_length,
        train=header.train,
        groups=tuple(groups),
    )


def write_result(directory: Path, result: JobResult) -> None:
    """Mark the job as finished. Everything else must be on disk before."""
    replace_file(directory / "result.json", json.dumps(asdict(result), indent=1) + "\n")


def read_result(directory: Path) -> JobResult | None:
    """The result of a job, None while it has none. Raises JobError if it cannot be read."""
    path = directory / "result.json"
    if not path.exists():
        return None
    return _parse(JobResult, _read(path), str(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise JobError(f"cannot read {path}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise JobError(f"{path} is not UTF-8") from e


def _parse(record: type[T], text: str, where: str) -> T:
    try:
        return TypeAdapter(record).validate_json(text, strict=True)
    except ValidationError as e:
        first: Any = e.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise JobError(f"{where}: {key + ': ' if key else ''}{first['msg']}") from e


def _check_group(group: JobGroup, where: str) -> None:
    if len(group.samples) < 2 or len(group.semantic_ids) != len(group.samples):
        raise JobError(
            f"{where}: needs at least two samples and a semantic id for each, got "
            f"{len(group.samples)} and {len(group.semantic_ids)}"
        )
    if not group.prompt_token_ids:
        raise JobError(f"{where}: prompt_token_ids is empty")
    for i, sample in enumerate(group.samples):
        if len(sample.token_ids) != len(sample.logprobs):
            raise JobError(
                f"{where}: sample {i} has {len(sample.token_ids)} tokens and "
                f"{len(sample.logprobs)} log-probabilities"
            )


def _check_base_model(base: BaseModel) -> None:
    path = Path(base.path)
    if not path.is_absolute():
        raise JobError(f"the path of the base model must be absolute, got {base.path!r}")
    if not (path / "config.json").is_file():
        raise JobError(f"there is no base model in {path}: config.json is missing")
    if config_sha256(path) != base.config_sha256:
        raise JobError(f"the base model in {path} is not the one that this job was made for")


def _check_parent(parent: Path, version: str) -> None:
    if (version == "v0") == parent.exists():
        raise JobError(
            f"{parent} must {'not ' if version == 'v0' else ''}be there: the parent is {version}"
        )
    for name in ADAPTER_FILES if parent.exists() else ():
        if not (parent / name).is_file():
            raise JobError(f"{parent / name} is missing")
