"""The same job by one process and by two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_model import make_group, make_job, save_llama

from empo_serve.train.job import JobResult, read_result, write_job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(job_dir: Path, *start: str) -> JobResult:
    done = subprocess.run(
        [sys.executable, *start, "-m", "empo_serve", "train", str(job_dir)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = read_result(job_dir)
    assert result is not None
    # Every micro-batch is computed once, wherever: one first of each of two steps, twice.
    assert done.stderr.count("micro-batch 1/") == 4
    return result


def test_two_processes_give_the_adapter_of_one(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "model")
    job = make_job(
        model,
        [make_group(i, [0, 0, 0, 1, 2, 2][: 3 + i]) for i in range(4)],
        beta=0.02,
        micro_batch_tokens=64,  # several micro-batches, not as many for each process
        groups_per_update=3,  # two steps
        num_iterations=2,
        max_grad_norm=1e6,  # a mean in place of the sum would show
    )
    write_job(tmp_path / "one", job)
    write_job(tmp_path / "two", job)
    one, two = train(tmp_path / "one"), train(tmp_path / "two", *TORCHRUN)
    a, b = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        for name in ("one", "two")
    )
    for name, tensor in a.items():
        torch.testing.assert_close(b[name], tensor, atol=1e-5, rtol=1e-4)
    for field in ("loss", "grad_norm", "kl", "token_entropy"):
        assert getattr(two.metrics, field) == pytest.approx(
            getattr(one.metrics, field), rel=1e-4, abs=1e-7
        )
    assert (two.metrics.tokens, two.metrics.samples) == (one.metrics.tokens, one.metrics.samples)
