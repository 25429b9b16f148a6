"""Our loss against TRL's own function, value and gradient, where TRL is installed."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from empo_serve.train.loss import policy_loss

pytestmark = pytest.mark.slow  # importing TRL takes several seconds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it comments on the versions of what it finds
    grpo_trainer = pytest.importorskip("trl.trainer.grpo_trainer", exc_type=ImportError)

N, T, MAX_LENGTH = 6, 7, 9


class BareTrainer(grpo_trainer.GRPOTrainer):  # type: ignore[misc, name-defined]
    """What `_compute_loss` reads, and nothing else: log-probabilities are given, not computed."""

    def __init__(self, logps: Tensor, loss_type: str, level: str, **options: Any) -> None:
        self._logps = logps
        self.loss_type = loss_type
        self.importance_sampling_level = level
        self.epsilon_low = options["epsilon"]
        self.epsilon_high = options["epsilon_high"]
        self.beta = options["beta"]
        self.use_vllm = self.vllm_importance_sampling_correction = True
        self.max_completion_length = MAX_LENGTH
        self.top_entropy_quantile = 1.0
        self.off_policy_mask_threshold = None
        self.current_gradient_accumulation_steps = 1
        self._entropy_bonus_enabled = self.aux_loss_enabled = False
        self.args = SimpleNamespace(
            delta=None, use_bias_correction_kl=False, steps_per_generation=1
        )
        self.accelerator = SimpleNamespace(
            num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x
        )
        self.model = SimpleNamespace(training=True)
        self._metrics: Any = {"train": Sink()}

    def _get_per_token_logps_and_entropies(self, *_: Any, **__: Any) -> tuple[Tensor, Tensor, None]:
        return self._logps, torch.zeros_like(self._logps), None


class Sink(dict[str, list[float]]):
    def __missing__(self, name: str) -> list[float]:
        return self.setdefault(name, [])


def random_batch(seed: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)

    def logps() -> Tensor:
        return -torch.rand(N, T, generator=g, dtype=torch.float64) * 2

    lengths = torch.tensor([T, 1, 3, T, 5, 2])
    return {
        "logps": logps(),
        "old": logps(),
        "ref": logps(),
        "sampler": logps(),
        "advantages": torch.randn(N, generator=g, dtype=torch.float64),
        "mask": (torch.arange(T) < lengths[:, None]).double(),
    }


def theirs(batch: dict[str, Tensor], loss_type: str, cap: float, **options: Any) -> Any:
    logps = batch["logps"].clone().requires_grad_()
    level = "sequence" if loss_type == "gspo" else "token"
    trainer = BareTrainer(logps, "grpo" if loss_type == "gspo" else loss_type, level, **options)
    ids = torch.zeros(N, T, dtype=torch.long)
    loss = trainer._compute_loss(
        None,
        {
            "prompt_ids": ids[:, :1],
            "prompt_mask": ids[:, :1],
            "completion_ids": ids,
            "completion_mask": batch["mask"],
            "advantages": batch["advantages"],
            "old_per_token_logps": batch["old"],
            "ref_per_token_logps": batch["ref"],
            "importance_sampling_ratio": (batch["old"] - batch["sampler"]).exp().clamp(max=cap),
            "num_items_in_batch": batch["mask"].sum(),
        },
    )
    loss.backward()
    return loss.detach(), logps.grad, trainer._metrics["train"]


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "gspo"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("clips", [(0.2, 0.28), (0.0003, 0.0004), (0.9, 9.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loss_and_gradient_equal_those_of_trl(
    loss_type: Any, beta: float, clips: tuple[float, float], seed: int
) -> None:
    batch = random_batch(seed)
    options = {"epsilon": clips[0], "epsilon_high": clips[1], "beta": beta}
    their_loss, their_gradient, their_metrics = theirs(batch, loss_type, cap=2.0, **options)

    logps = batch["logps"].clone().requires_grad_()
    loss, metrics = policy_loss(
        logps,
        batch["old"],
        batch["advantages"],
        batch["mask"],
        loss_type=loss_type,
        ref_per_token_logps=batch["ref"] if beta else None,
        max_completion_length=MAX_LENGTH,
        sampler_per_token_logps=batch["sampler"],
        importance_sampling_cap=2.0,
        **options,
    )
    loss.backward()
    torch.testing.assert_close(loss.detach(), their_loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(logps.grad, their_gradient, rtol=1e-12, atol=1e-12)
    if beta:
        assert metrics["kl"] == pytest.approx(their_metrics["kl"][0])
    if loss_type != "gspo":  # TRL counts clipped samples there, we count their tokens
        assert metrics["clip_fraction"] == pytest.approx(their_metrics["clip_ratio/region_mean"][0])
