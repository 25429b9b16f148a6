from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_model import VOCABULARY, make_group, make_job, save_llama, save_qwen2

import empo_serve.train.forward as forward_module
import empo_serve.train.head as head_module
from empo_serve.errors import JobError
from empo_serve.train.forward import (
    Completion,
    Policy,
    can_pack,
    micro_batches,
    packed_rows,
    plain_rows,
)
from empo_serve.train.job import Job, JobResult, JobSample, read_result, write_job
from empo_serve.train.model import load_model, trainable_parameters
from empo_serve.train.sums import write_sums
from empo_serve.train.trainer import run

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "empo_serve.train.trainer"]
PROMPT = (1, 20, 21, 22)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("base") / "llama")


def weights(job_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(job_dir / "adapter" / "adapter_model.safetensors")


def digests(job_dir: Path) -> dict[str, str]:
    result = read_result(job_dir)
    assert result is not None
    return result.files


def logps_of(job: Job, job_dir: Path, adapter: Path | None) -> list[float]:
    """Summed log-probability of each sample of the first group, under an adapter."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base: Any = AutoModelForCausalLM.from_pretrained(job.base_model.path, dtype=torch.float32)
    if adapter is not None:
        model: Any = PeftModel.from_pretrained(base, adapter)
    else:
        model = load_model(job, job_dir / "none", torch.device("cpu"))  # new: all zero
    group = job.groups[0]
    rows = plain_rows(
        [[Completion(i, group.prompt_token_ids, s.token_ids) for i, s in enumerate(group.samples)]]
    )
    with torch.no_grad():
        logps, _ = Policy(model.eval(), packed=False).logps(rows, job.temperature)
    by_index = {
        row.completions[0].index: float(x.sum()) for row, x in zip(rows, logps, strict=True)
    }
    return [by_index[i] for i in range(len(group.samples))]


# ---- a whole job


def test_a_job_gives_an_adapter_metrics_and_a_result(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job_dir = tmp_path / "1"
    write_job(job_dir, make_job(model, beta=0.02))
    run(job_dir)

    result = read_result(job_dir)
    assert result is not None
    assert result.status == "trained"
    metrics = result.metrics
    assert (metrics.step, metrics.groups, metrics.groups_without_signal) == (1, 3, 1)
    assert metrics.samples == 10
    assert metrics.grad_norm is not None
    assert metrics.grad_norm > 0
    assert metrics.kl == 0  # a new adapter is the base model still
    assert metrics.clip_fraction == 0
    lines = (job_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [metrics.loss]
    assert sorted(p.name for p in (job_dir / "adapter").iterdir()) == sorted(result.files)

    tensors = weights(job_dir)
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert all(name.startswith("base_model.model.model.layers.") for name in tensors)
    assert len(tensors) == 2 * 2 * 7  # A and B, two layers, seven linear modules
    assert all(tensors[name].any() for name in tensors if "lora_B" in name)
    said = capfd.readouterr().err
    assert "micro-batch 1/1" in said
    assert "done: step 1" in said


def test_a_finished_job_is_left_alone(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_job(tmp_path / "1", make_job(model))
    run(tmp_path / "1")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "1").rglob("*")}
    capfd.readouterr()
    run(tmp_path / "1")
    assert "finished already" in capfd.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "1").rglob("*")} == before


def test_a_job_without_any_signal_is_skipped(tmp_path: Path, model: Path) -> None:
    groups = [make_group(1, [0, 0, 0, 0]), make_group(2, [0, 0, 1, 1]), make_group(3, [0, 1, 2, 3])]
    write_job(tmp_path / "1", make_job(model, groups))
    run(tmp_path / "1")
    result = read_result(tmp_path / "1")
    assert result is not None
    assert (result.status, result.metrics.groups_without_signal) == ("skipped", 3)
    assert result.metrics.loss is None
    assert not (tmp_path / "1" / "adapter").exists()


def test_truncated_samples_are_not_in_the_loss_but_count_as_no_answer(
    tmp_path: Path, model: Path
) -> None:
    group = make_group(1, [0, 0, 0, 1])
    cut = replace(group.samples[0], truncated=True)
    group = replace(group, samples=(*group.samples[:3], cut), semantic_ids=(0, 0, 0, 0))
    write_job(tmp_path / "1", make_job(model, [group]))
    run(tmp_path / "1")
    result = read_result(tmp_path / "1")
    assert result is not None
    assert result.metrics.reward_mean == pytest.approx((3 * 0.75 - 0.5) / 4)
    assert result.metrics.tokens == sum(len(s.token_ids) for s in group.samples[:3])


def cut_off(sample: JobSample) -> JobSample:
    return replace(sample, truncated=True)


def result_of(job_dir: Path) -> JobResult:
    result = read_result(job_dir)
    assert result is not None
    return result


def test_a_group_that_is_mostly_truncated_is_not_trained_on(tmp_path: Path, model: Path) -> None:
    half, most = make_group(1, [0, 0, 0, 1]), make_group(2, [0, 0, 0, 1])
    half = replace(half, samples=(*half.samples[:2], *map(cut_off, half.samples[2:])))
    most = replace(most, samples=(*most.samples[:1], *map(cut_off, most.samples[1:])))
    write_job(tmp_path / "1", make_job(model, [half, most]))
    run(tmp_path / "1")
    metrics = result_of(tmp_path / "1").metrics
    assert metrics.groups_without_signal == 1
    assert metrics.tokens == sum(len(s.token_ids) for s in half.samples[:2])


def test_a_copy_of_the_question_gets_no_reward(tmp_path: Path, model: Path) -> None:
    group = make_group(1, [0, 0, 0, 1])
    copies = [replace(s, copies_question=True) for s in group.samples[:3]]
    group = replace(group, samples=(*copies, group.samples[3]))
    write_job(tmp_path / "1", make_job(model, [group]))
    run(tmp_path / "1")
    assert result_of(tmp_path / "1").metrics.reward_mean == pytest.approx(0.25 / 4)


def test_metrics_say_what_the_step_was_made_of(tmp_path: Path, model: Path) -> None:
    fresh, stale = make_group(1, [0, 0, 0, 0]), replace(make_group(2, [0, 0, 0, 1]), staleness=2)
    cut, silent, *rest = stale.samples
    stale = replace(stale, samples=(cut_off(cut), replace(silent, answer=""), *rest))
    write_job(tmp_path / "1", make_job(model, [fresh, stale]))
    run(tmp_path / "1")
    m = result_of(tmp_path / "1").metrics
    assert (m.staleness_mean, m.staleness_max) == (1.0, 2)
    assert (m.truncation_rate, m.no_answer_rate, m.unanimity_rate) == (1 / 8, 2 / 8, 0.5)
    lengths = [len(s.token_ids) for g in (fresh, stale) for s in g.samples]
    assert m.completion_length_mean == pytest.approx(sum(lengths) / 8)
    # A random model knows nothing: nearly ln(128).
    assert m.token_entropy == pytest.approx(math.log(VOCABULARY), abs=0.1)


def test_a_job_of_many_groups_takes_a_step_for_every_few(tmp_path: Path, model: Path) -> None:
    groups = [make_group(i, [0, 0, 0, 1, 2, 2]) for i in range(4)]
    groups.insert(2, make_group(9, [0, 0, 0]))  # without a signal
    write_job(tmp_path / "many", make_job(model, groups, groups_per_update=2, beta=0.02))
    run(tmp_path / "many")
    lines = (tmp_path / "many" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in lines]
    assert [(s["step"], s["groups"], s["groups_without_signal"]) for s in steps] == [
        (1, 2, 0),
        (2, 2, 1),
        (3, 1, 0),
    ]
    assert steps[0]["kl"] == 0 < steps[1]["kl"]  # the second step sees what the first one did
    m = result_of(tmp_path / "many").metrics
    assert (m.step, m.groups, m.groups_without_signal, m.samples) == (3, 5, 1, 27)
    assert m.tokens == sum(s["tokens"] for s in steps)

    # The same, update by update.
    parent: Path | None = None
    for update, part in enumerate((groups[:2], groups[2:4], groups[4:]), start=1):
        job = make_job(model, part, groups_per_update=2, beta=0.02)
        job = replace(job, parent_version=f"v{update - 1}")
        directory = tmp_path / str(update)
        write_job(directory, job, parent and parent / "adapter", parent and parent / "optimizer.pt")
        run(directory)
        parent = directory
    assert parent is not None
    for name, tensor in weights(parent).items():
        torch.testing.assert_close(weights(tmp_path / "many")[name], tensor)


def test_iterations_over_the_same_groups_are_steps_that_the_clip_bounds(
    tmp_path: Path, model: Path
) -> None:
    groups = [make_group(i, [0, 0, 0, 1, 2, 2]) for i in range(2)]
    for iterations in (1, 4):
        settings: dict[str, Any] = {"num_iterations": iterations, "learning_rate": 2e-2}
        write_job(tmp_path / str(iterations), make_job(model, groups, beta=0.02, **settings))
        run(tmp_path / str(iterations))
    once, often = (result_of(tmp_path / name).metrics for name in ("1", "4"))
    assert (once.step, often.step) == (1, 4)
    assert (once.groups, once.samples, once.tokens) == (often.groups, often.samples, often.tokens)
    assert once.clip_fraction == once.kl == 0
    assert often.clip_fraction is not None
    assert often.clip_fraction > 0
    assert often.kl is not None
    assert often.kl > 0
    # The samples stay those of the policy before the first step, whatever the later ones did.
    assert often.mean_abs_logprob_difference == pytest.approx(once.mean_abs_logprob_difference)
    assert often.effective_sample_size == pytest.approx(once.effective_sample_size)


def test_beyond_the_clip_a_second_iteration_changes_nothing(tmp_path: Path, model: Path) -> None:
    # One token, and a first step that moves each sample far beyond what the clip leaves free.
    group = make_group(0, [0, 0, 0, 1])
    group = replace(group, samples=tuple(_first_token(s) for s in group.samples))
    clip: dict[str, Any] = {"epsilon": 1e-4, "epsilon_high": 1e-4, "learning_rate": 2e-2}
    for iterations in (1, 2):
        job = make_job(model, [group], beta=0.0, num_iterations=iterations, **clip)
        write_job(tmp_path / str(iterations), job)
        run(tmp_path / str(iterations))
    lines = (tmp_path / "2" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["clip_fraction"] for line in lines] == [0.5]  # none, then all


def _first_token(sample: JobSample) -> JobSample:
    return replace(sample, token_ids=sample.token_ids[:1], logprobs=sample.logprobs[:1])


# ---- what is learned


@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo", "grpo", "gspo"])
def test_chained_updates_make_the_consensus_more_probable(
    tmp_path: Path, model: Path, loss_type: str
) -> None:
    group = make_group(1, [0, 0, 0, 0, 0, 0, 1, 2])
    job = make_job(model, [group], beta=0.0, loss_type=loss_type)
    before = logps_of(job, tmp_path, None)
    parent: Path | None = None
    for update in range(1, 5):
        job = replace(job, update_id=update, parent_version=f"v{update - 1}")
        write_job(
            tmp_path / str(update),
            job,
            parent and parent / "adapter",
            parent and parent / "optimizer.pt",
        )
        run(tmp_path / str(update))
        parent = tmp_path / str(update)
        result = read_result(parent)
        assert result is not None
        assert result.metrics.step == update  # the optimiser's own count goes on
        assert result.metrics.kl is None
    assert parent is not None
    after = logps_of(job, tmp_path, parent / "adapter")
    assert after[0] - before[0] > 0.5
    assert after[6] - before[6] < after[0] - before[0]


def test_the_optimizer_state_of_the_parent_matters(tmp_path: Path, model: Path) -> None:
    write_job(tmp_path / "1", make_job(model))
    run(tmp_path / "1")
    second = replace(make_job(model), update_id=2, parent_version="v1")
    adapter, state = tmp_path / "1" / "adapter", tmp_path / "1" / "optimizer.pt"
    write_job(tmp_path / "with", second, adapter, state)
    write_job(tmp_path / "without", second, adapter)
    run(tmp_path / "with")
    run(tmp_path / "without")
    assert digests(tmp_path / "with") != digests(tmp_path / "without")


def test_optimizer_state_of_another_adapter_is_refused(tmp_path: Path, model: Path) -> None:
    write_job(tmp_path / "1", make_job(model))
    write_job(tmp_path / "2", make_job(model, rank=2))
    run(tmp_path / "1")
    run(tmp_path / "2")
    job = replace(make_job(model), update_id=3, parent_version="v2")
    write_job(tmp_path / "3", job, tmp_path / "2" / "adapter", tmp_path / "1" / "optimizer.pt")
    with pytest.raises(JobError, match="belongs to another adapter"):
        run(tmp_path / "3")
    assert read_result(tmp_path / "3") is None


def test_the_rank_of_the_parent_is_kept_and_said(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_job(tmp_path / "1", make_job(model, rank=2))
    run(tmp_path / "1")
    job = replace(make_job(model, rank=4), update_id=2, parent_version="v1")
    write_job(tmp_path / "2", job, tmp_path / "1" / "adapter", tmp_path / "1" / "optimizer.pt")
    run(tmp_path / "2")
    shapes = [{n: t.shape for n, t in weights(tmp_path / d).items()} for d in ("1", "2")]
    assert shapes[0] == shapes[1]
    assert "the parent has rank 2" in capfd.readouterr().err


def test_kl_pulls_back_to_the_model_without_adapter(tmp_path: Path, model: Path) -> None:
    group = make_group(1, [0, 0, 0, 1])
    write_job(tmp_path / "1", make_job(model, [group], beta=0.0))
    run(tmp_path / "1")
    kls = []
    parent = tmp_path / "1"
    for update in range(2, 6):
        job = make_job(model, [group], beta=100.0, learning_rate=3e-3)
        job = replace(job, update_id=update, parent_version=f"v{update - 1}")
        write_job(tmp_path / str(update), job, parent / "adapter")
        run(tmp_path / str(update))
        parent = tmp_path / str(update)
        result = read_result(parent)
        assert result is not None
        kls.append(result.metrics.kl or 0.0)
    assert kls[0] > kls[-1] > 0


# ---- exactness


def test_micro_batches_do_not_change_the_gradient(tmp_path: Path, model: Path) -> None:
    for name, tokens in (("small", 64), ("large", 4096)):
        groups = [make_group(i, [0, 0, 0, 1, 2, 2]) for i in range(4)]
        write_job(tmp_path / name, make_job(model, groups, micro_batch_tokens=tokens))
        run(tmp_path / name)
    small, large = (read_result(tmp_path / name) for name in ("small", "large"))
    assert small is not None
    assert large is not None
    assert small.metrics.grad_norm == pytest.approx(large.metrics.grad_norm, rel=1e-4)
    assert small.metrics.loss == pytest.approx(large.metrics.loss, rel=1e-4)


@pytest.mark.parametrize("family", [save_llama, save_qwen2])
def test_packed_rows_give_the_numbers_and_the_gradient_of_plain_ones(
    tmp_path: Path, family: Any
) -> None:
    base = family(tmp_path / "base")
    job = make_job(base)
    groups = [
        [
            Completion(10 * g + i, (1, 5 + g, 6, 7)[: 2 + g], tuple(range(8, 9 + i)))
            for i in range(4)
        ]
        for g in range(3)
    ]
    results = []
    for is_packed, max_tokens in ((True, 32), (False, 64)):
        model = load_model(job, tmp_path, torch.device("cpu"))
        parameters = trainable_parameters(model)
        torch.manual_seed(1)
        for name, p in parameters.items():
            if "lora_B" in name:  # zero at first: then A would have no gradient
                torch.nn.init.normal_(p, std=0.1)
        policy = Policy(model, is_packed)
        batches = policy.batches(groups, max_tokens)
        assert len(batches) > 1
        logps = {}
        for rows in batches:
            indices = [c.index for row in rows for c in row.completions]
            logps |= dict(zip(indices, policy.logps(rows, 0.7)[0], strict=True))
        flat = torch.cat([logps[i] for i in sorted(logps)])
        (flat * torch.linspace(-1, 1, len(flat))).sum().backward()
        results.append((flat.detach(), {n: p.grad for n, p in parameters.items()}))
    (packed, packed_grads), (plain, plain_grads) = results
    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)
    for name, grad in plain_grads.items():
        torch.testing.assert_close(packed_grads[name], grad, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("has_plain_head", [True, False])
def test_plain_log_probabilities_and_entropies_are_those_of_each_sequence_alone(
    tmp_path: Path, model: Path, has_plain_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_plain_head:
        monkeypatch.setattr(forward_module, "plain_head", lambda model: None)
    adapted = load_model(make_job(model), tmp_path, torch.device("cpu"))
    policy = Policy(adapted, packed=False)
    completions = [
        Completion(0, PROMPT, (30, 31, 32)),
        Completion(1, PROMPT[:2], (40,)),
        Completion(2, (*PROMPT, 5, 6), (50, 51)),
    ]
    rows = plain_rows([completions])
    with torch.no_grad():
        logps, entropies = policy.logps(rows, temperature=0.5)
        lengths = [len(x) for x in logps]
        for row, got, entropy in zip(rows, logps, entropies.split(lengths), strict=True):
            ids = torch.tensor([row.prompt + row.completions[0].token_ids])
            table = (adapted(ids).logits[0] / 0.5).log_softmax(-1)
            n = len(row.prompt)
            want = [table[n - 1 + t, x] for t, x in enumerate(row.completions[0].token_ids)]
            torch.testing.assert_close(got, torch.stack(want), atol=1e-5, rtol=0)
            answer = table[n - 1 : n - 1 + len(want)]
            torch.testing.assert_close(entropy, -(answer.exp() * answer).sum(-1))


def test_a_model_with_sliding_windows_is_not_packed() -> None:
    from transformers import AutoConfig

    assert can_pack(AutoConfig.for_model("llama"))
    assert can_pack(AutoConfig.for_model("qwen2"))
    assert not can_pack(AutoConfig.for_model("mistral", sliding_window=64))
    assert not can_pack(AutoConfig.for_model("gemma2"))


def test_the_plain_form_trains_as_the_packed_one(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(model, beta=0.02)
    write_job(tmp_path / "packed", job)
    run(tmp_path / "packed")
    monkeypatch.setattr(forward_module, "can_pack", lambda config: False)
    write_job(tmp_path / "plain", job)
    run(tmp_path / "plain")
    packed, plain = (read_result(tmp_path / name) for name in ("packed", "plain"))
    assert packed is not None
    assert plain is not None
    assert packed.metrics.grad_norm == pytest.approx(plain.metrics.grad_norm, rel=1e-4)


@pytest.mark.parametrize("is_packed", [True, False])
def test_gradient_checkpointing_changes_no_gradient(
    tmp_path: Path, model: Path, is_packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch.utils.checkpoint as module

    monkeypatch.setattr(forward_module, "can_pack", lambda config: is_packed)
    calls = []
    checkpoint = module.checkpoint

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return checkpoint(*args, **kwargs)

    monkeypatch.setattr(module, "checkpoint", counted)
    monkeypatch.setattr("transformers.modeling_utils.checkpoint", counted, raising=False)
    for name, option in (("with", True), ("without", False)):
        calls.clear()
        write_job(tmp_path / name, make_job(model, beta=0.02, gradient_checkpointing=option))
        run(tmp_path / name)
        assert bool(calls) is option
    assert digests(tmp_path / "with") == digests(tmp_path / "without")


def test_slices_of_the_logits_change_nothing(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = [Completion(i, PROMPT, tuple(range(3, 8 + i))) for i in range(4)]
    results = []
    for rows_per_slice in (None, 1000, 3):  # None: all logits at once, through autograd
        with monkeypatch.context() as patch:
            if rows_per_slice is None:
                patch.setattr(forward_module, "plain_head", lambda model: None)
            else:
                patch.setattr(head_module, "_SLICE", rows_per_slice * VOCABULARY)
            policy = Policy(load_model(make_job(model), tmp_path, torch.device("cpu")))
            parameters = trainable_parameters(policy.model)
            torch.manual_seed(1)
            for name, p in parameters.items():
                if "lora_B" in name:
                    torch.nn.init.normal_(p, std=0.1)
            logps, entropies = policy.logps(packed_rows([group], 99), 0.7)
            flat = torch.cat(logps)
            (flat * torch.linspace(-1, 1, len(flat))).sum().backward()
            results.append([flat.detach(), entropies, *(p.grad for p in parameters.values())])
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], atol=1e-5, rtol=1e-5)


def test_a_model_that_cannot_be_packed_says_so(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_job(tmp_path / "packed", make_job(model))
    run(tmp_path / "packed")
    assert "takes no mask of our own" not in capfd.readouterr().err
    monkeypatch.setattr(forward_module, "can_pack", lambda config: False)
    write_job(tmp_path / "plain", make_job(model))
    run(tmp_path / "plain")
    assert "model type llama takes no mask of our own" in capfd.readouterr().err


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("limit", [64, 100, 4096])
def test_micro_batches_hold_every_completion_once_within_the_limit(
    is_packed: bool, limit: int
) -> None:
    groups = [
        [Completion(10 * g + i, (1,) * (3 + 9 * g), (2,) * (1 + 3 * i)) for i in range(8)]
        for g in range(5)
    ]
    batches = micro_batches(packed_rows(groups, limit) if is_packed else plain_rows(groups), limit)
    indices = [c.index for rows in batches for row in rows for c in row.completions]
    assert sorted(indices) == [10 * g + i for g in range(5) for i in range(8)]
    for rows in batches:
        assert len(rows) * max(row.num_tokens for row in rows) <= limit


# ---- determinism and death


def test_the_seed_decides_the_adapter(tmp_path: Path, model: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_job(tmp_path / name, make_job(model, seed=seed))
        run(tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


@pytest.mark.parametrize("stage", ["update 1 from", "loaded", "micro-batch 2/", "done"])
def test_a_killed_job_can_be_run_again_with_the_same_adapter(
    tmp_path: Path, model: Path, stage: str
) -> None:
    # One micro-batch for each group, so that there is a middle to be killed in.
    groups = [make_group(i, [0, 0, 0, 1, 2, 2]) for i in range(4)]
    write_job(tmp_path / "killed", make_job(model, groups, micro_batch_tokens=64))
    shutil.copytree(tmp_path / "killed", tmp_path / "undisturbed")
    run(tmp_path / "undisturbed")

    with subprocess.Popen(
        [*COMMAND, str(tmp_path / "killed")], stderr=subprocess.PIPE, text=True
    ) as trainer:
        assert trainer.stderr is not None
        for line in trainer.stderr:
            if line.startswith(stage):
                trainer.kill()
                break
        else:
            pytest.fail(f"never said {stage!r}")
    run(tmp_path / "killed")
    assert digests(tmp_path / "killed") == digests(tmp_path / "undisturbed")


def test_what_a_run_left_behind_before_its_result_is_written_anew(
    tmp_path: Path, model: Path
) -> None:
    write_job(tmp_path / "1", make_job(model))
    run(tmp_path / "1")
    whole = digests(tmp_path / "1")
    (tmp_path / "1" / "result.json").unlink()
    (tmp_path / "1" / "adapter" / "adapter_model.safetensors").write_bytes(b"half")
    (tmp_path / "1" / ".adapter.tmp").mkdir()
    run(tmp_path / "1")
    assert digests(tmp_path / "1") == whole
    lines = (tmp_path / "1" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1


def test_two_trainers_never_work_on_one_job(tmp_path: Path, model: Path) -> None:
    import fcntl

    write_job(tmp_path / "1", make_job(model))
    with open(tmp_path / "1" / "job.json", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(JobError, match="another trainer"):
            run(tmp_path / "1")
    run(tmp_path / "1")


# ---- bad input


def test_nan_from_the_sampler_fails_with_one_line_and_publishes_nothing(
    tmp_path: Path, model: Path
) -> None:
    write_job(tmp_path / "1", make_job(model))
    groups = tmp_path / "1" / "groups.jsonl"
    groups.write_text(groups.read_text(encoding="utf-8").replace("-4.8", "NaN", 1))
    write_sums(tmp_path / "1")
    trainer = subprocess.run(
        [*COMMAND, str(tmp_path / "1")], capture_output=True, text=True, check=False
    )
    assert trainer.returncode == 1
    assert trainer.stderr.startswith("error: ")
    assert "finite" in trainer.stderr
    assert trainer.stderr.count("\n") == 1
    assert not (tmp_path / "1" / "adapter").exists()
    assert read_result(tmp_path / "1") is None


def test_an_edited_job_is_refused_by_its_hash(tmp_path: Path, model: Path) -> None:
    write_job(tmp_path / "1", make_job(model))
    groups = tmp_path / "1" / "groups.jsonl"
    groups.write_text(groups.read_text(encoding="utf-8").replace("-4.8", "-4.7", 1))
    trainer = subprocess.run(
        [*COMMAND, str(tmp_path / "1")], capture_output=True, text=True, check=False
    )
    assert trainer.returncode == 1
    assert trainer.stderr.startswith("error: ")
    assert "groups.jsonl is not as it was written" in trainer.stderr
    assert trainer.stderr.count("\n") == 1


def test_a_model_that_gives_nan_publishes_nothing(tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    base = save_llama(tmp_path / "base")
    broken = LlamaForCausalLM.from_pretrained(base)
    torch.nn.init.constant_(broken.model.norm.weight, float("nan"))
    broken.save_pretrained(base)
    write_job(tmp_path / "1", make_job(base, beta=0.0))
    with pytest.raises(JobError, match="is not finite"):
        run(tmp_path / "1")
    assert not (tmp_path / "1" / "adapter").exists()
    assert not (tmp_path / "1" / "optimizer.pt").exists()


def test_tokens_of_another_model_are_refused(tmp_path: Path, model: Path) -> None:
    group = make_group(1, [0, 0, 0, 1])
    write_job(tmp_path / "1", make_job(model, [replace(group, prompt_token_ids=(1, VOCABULARY))]))
    with pytest.raises(JobError, match="vocabulary of 128"):
        run(tmp_path / "1")


def test_a_base_model_without_weights_is_one_line(tmp_path: Path) -> None:
    base = save_llama(tmp_path / "base")
    (base / "model.safetensors").unlink()
    write_job(tmp_path / "1", make_job(base))
    with pytest.raises(JobError, match="cannot load the base model") as error:
        run(tmp_path / "1")
    assert "\n" not in str(error.value)


def test_a_directory_that_is_no_job_exits_with_1(tmp_path: Path) -> None:
    started = time.monotonic()
    trainer = subprocess.run(
        [*COMMAND, str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert trainer.returncode == 1
    assert trainer.stderr.startswith("error: cannot read")
    assert time.monotonic() - started < 60
    assert os.listdir(tmp_path) == []
