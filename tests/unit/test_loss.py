from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from empo_serve.train.loss import group_advantages, loss_normalizer, policy_loss

VECTORS = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "golden" / "train_vectors.json").read_text(encoding="utf-8")
    )["cases"]
}
GRID = VECTORS["grpo_loss_grid"]
LOSS_TYPES = ["dr_grpo", "dapo", "grpo", "gspo"]


def double(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def batch(n: int = 5, t: int = 6, seed: int = 0) -> dict[str, Any]:
    """Arguments with every term of the loss in use, samples of 0..T tokens."""
    g = torch.Generator().manual_seed(seed)

    def logps() -> Tensor:
        return -torch.rand(n, t, generator=g, dtype=torch.float64) * 3

    lengths = torch.tensor([t, 0, *range(1, n - 1)])[:n].clamp(max=t)
    return {
        "per_token_logps": logps().requires_grad_(),
        "old_per_token_logps": logps(),
        "advantages": torch.randn(n, generator=g, dtype=torch.float64),
        "completion_mask": torch.arange(t) < lengths[:, None],
        "ref_per_token_logps": logps(),
        "sampler_per_token_logps": logps(),
        "beta": 0.04,
        "max_completion_length": 8,
    }


def loss_and_gradient(arguments: dict[str, Any], **options: Any) -> tuple[Tensor, Tensor]:
    logps = arguments["per_token_logps"].detach().clone().requires_grad_()
    loss, _ = policy_loss(**{**arguments, "per_token_logps": logps, **options})
    loss.backward()
    return loss.detach(), logps.grad


# ---- golden: TRL's numbers


@pytest.mark.parametrize("scale", ["group", "none", "batch"])
def test_advantages_equal_those_of_the_reference(scale: Any) -> None:
    case = VECTORS["adv_trl_scale_modes"]
    rewards = double(case["inputs"]["rewards"]).view(-1, case["inputs"]["G"])
    expected = double(case["expected"][scale]).view_as(rewards)
    torch.testing.assert_close(group_advantages(rewards, scale), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("scale", "key"),
    [("group", "advantages_trl014_std_ddof1_eps1e-4"), ("none", "advantages_unscaled")],
)
@pytest.mark.parametrize("name", [name for name in VECTORS if name.startswith("empo_trl")])
def test_advantages_of_rewards_equal_those_of_the_reference(
    name: str, scale: Any, key: str
) -> None:
    expected = VECTORS[name]["expected"]
    if key not in expected:
        return
    advantages = group_advantages(double([expected["rewards"]]), scale)
    torch.testing.assert_close(advantages, double([expected[key]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grpo_onpolicy", {"loss_type": "grpo", "on_policy": True}),
        ("dr_grpo_onpolicy_L8", {"loss_type": "dr_grpo", "on_policy": True}),
        ("dapo_onpolicy", {"loss_type": "dapo", "on_policy": True}),
        ("grpo_clip02", {"loss_type": "grpo"}),
        ("dr_grpo_clip02_L8", {"loss_type": "dr_grpo"}),
        ("dapo_clip02", {"loss_type": "dapo"}),
        ("dapo_clip_higher_028", {"loss_type": "dapo", "epsilon_high": 0.28}),
        (
            "grpo_seq_level_gspo_clip",
            {"loss_type": "gspo", "epsilon": 0.0003, "epsilon_high": 0.0004},
        ),
        ("dapo_kl_beta0.04", {"loss_type": "dapo", "beta": 0.04}),
        ("dapo_tis_token_truncate2", {"loss_type": "dapo", "sampler": True}),
        ("dr_grpo_tis_token_truncate2", {"loss_type": "dr_grpo", "sampler": True}),
    ],
)
def test_loss_equals_that_of_the_reference(name: str, options: dict[str, Any]) -> None:
    inputs, options = GRID["inputs"], {"epsilon_high": 0.2, **options}
    logps = double(inputs["logps"])
    old = logps if options.pop("on_policy", False) else double(inputs["old_logps"])
    sampler = double(inputs["sampling_logps"]) if options.pop("sampler", False) else None
    loss, _ = policy_loss(
        logps,
        old,
        double(inputs["advantages"]),
        double(inputs["mask"]),
        max_completion_length=8,
        ref_per_token_logps=double(inputs["ref_logps"]) if "beta" in options else None,
        sampler_per_token_logps=sampler,
        **options,
    )
    assert loss.item() == pytest.approx(GRID["expected"][name]["loss"], abs=1e-6)


def test_importance_weights_equal_those_of_the_reference() -> None:
    case = VECTORS["tis_ratios"]
    mask = double(case["inputs"]["mask"])
    expected = double(case["expected"]["token_truncate|max=2.0|min=None"])
    old = double(case["inputs"]["old_logps"]).requires_grad_()
    # With ratio 1 and advantage -1 the gradient of the "dapo" sum is the weight of each token.
    logps = old.detach().clone().requires_grad_()
    loss, metrics = policy_loss(
        logps,
        old,
        double([-1.0, -1.0]),
        mask,
        loss_type="dapo",
        sampler_per_token_logps=double(case["inputs"]["sampling_logps"]),
    )
    loss.backward()
    assert logps.grad is not None
    torch.testing.assert_close(logps.grad * mask.sum(), expected * mask)
    active = expected[mask.bool()]
    assert metrics["importance_ratio_mean"] == pytest.approx(active.mean().item())
    assert metrics["effective_sample_size"] == pytest.approx(
        (active.sum() ** 2 / (len(active) * active.square().sum())).item()
    )
    assert old.grad is None


# ---- laws


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_masked_positions_never_matter(loss_type: Any, garbage: float) -> None:
    clean = batch()
    mask = clean["completion_mask"]
    dirty = {
        name: torch.where(mask, value.detach(), garbage) if name.endswith("logps") else value
        for name, value in clean.items()
    }
    loss, gradient = loss_and_gradient(clean, loss_type=loss_type)
    dirty_loss, dirty_gradient = loss_and_gradient(dirty, loss_type=loss_type)
    assert loss == dirty_loss
    assert torch.equal(gradient, dirty_gradient)
    assert torch.all(gradient[~mask] == 0)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_a_batch_without_active_tokens_gives_zero_and_no_gradient(loss_type: Any) -> None:
    arguments = batch() | {"completion_mask": torch.zeros(5, 6)}
    loss, gradient = loss_and_gradient(arguments, loss_type=loss_type)
    assert loss == 0
    assert torch.all(gradient == 0)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize("split", [[1, 4], [2, 2, 1], [1, 1, 1, 1, 1]])
def test_micro_batches_add_up_to_the_batch(loss_type: Any, split: list[int]) -> None:
    whole = batch()
    loss, gradient = loss_and_gradient(whole, loss_type=loss_type)
    normalizer = loss_normalizer(whole["completion_mask"], loss_type, 8)
    parts = {
        name: value.split(split) if isinstance(value, Tensor) else [value] * len(split)
        for name, value in whole.items()
    }
    results = [
        loss_and_gradient(
            {name: values[i] for name, values in parts.items()},
            loss_type=loss_type,
            normalizer=normalizer,
        )
        for i in range(len(split))
    ]
    torch.testing.assert_close(torch.stack([part for part, _ in results]).sum(), loss)
    torch.testing.assert_close(torch.cat([g for _, g in results]), gradient)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_padding_changes_neither_loss_nor_gradient(loss_type: Any) -> None:
    arguments = batch()
    padded = {
        name: torch.nn.functional.pad(value.detach(), (0, 3))
        if isinstance(value, Tensor) and value.ndim == 2
        else value
        for name, value in arguments.items()
    }
    loss, gradient = loss_and_gradient(arguments, loss_type=loss_type)
    padded_loss, padded_gradient = loss_and_gradient(padded, loss_type=loss_type)
    torch.testing.assert_close(padded_loss, loss)
    torch.testing.assert_close(padded_gradient[:, :6], gradient)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_on_policy_gradient_is_that_of_the_policy_gradient_theorem(loss_type: Any) -> None:
    arguments = batch()
    mask, advantages = arguments["completion_mask"], arguments["advantages"]
    logps = arguments["per_token_logps"].detach()
    options = {"beta": 0.0, "ref_per_token_logps": None, "sampler_per_token_logps": None}
    _, gradient = loss_and_gradient(
        arguments | {"old_per_token_logps": logps} | options, loss_type=loss_type
    )
    per_token = {
        "dr_grpo": torch.full_like(logps, 1 / (5 * 8)),
        "dapo": torch.full_like(logps, 1 / int(mask.sum())),
    }.get(loss_type, 1 / (5 * mask.sum(1, keepdim=True).clamp(min=1)).expand_as(logps))
    torch.testing.assert_close(gradient, -advantages[:, None] * mask * per_token)


def test_clip_stops_the_gradient_beyond_the_band_only_in_the_direction_of_the_advantage() -> None:
    old = torch.zeros(4, 1, dtype=torch.float64)
    logps = double([[0.5], [-0.5], [0.5], [-0.5]])
    arguments = {
        "per_token_logps": logps,
        "old_per_token_logps": old,
        "advantages": double([1, 1, -1, -1]),
        "completion_mask": torch.ones(4, 1),
    }
    _, gradient = loss_and_gradient(arguments)
    assert [bool(g) for g in gradient[:, 0]] == [False, True, True, False]
    _, metrics = policy_loss(**arguments)  # type: ignore[arg-type]
    assert metrics["clip_fraction"] == 0.5


def test_kl_is_zero_at_the_reference_and_positive_elsewhere() -> None:
    arguments = batch()
    _, metrics = policy_loss(**arguments)
    assert metrics["kl"] > 0
    arguments["ref_per_token_logps"] = arguments["per_token_logps"]
    _, metrics = policy_loss(**arguments)
    assert metrics["kl"] == 0


def test_a_sampler_that_agrees_changes_nothing() -> None:
    arguments = batch() | {"sampler_per_token_logps": None}
    loss, gradient = loss_and_gradient(arguments)
    arguments["sampler_per_token_logps"] = arguments["old_per_token_logps"]
    same_loss, same_gradient = loss_and_gradient(arguments)
    assert loss == same_loss
    assert torch.equal(gradient, same_gradient)
    _, metrics = policy_loss(**arguments)
    assert metrics["effective_sample_size"] == pytest.approx(1)
    assert metrics["mean_abs_logprob_difference"] == 0


def test_importance_cap_bounds_a_token_that_the_sampler_found_impossible() -> None:
    arguments = batch(2, 2) | {"beta": 0.0, "advantages": double([1.0, 1.0])}
    arguments["old_per_token_logps"] = arguments["per_token_logps"].detach()
    arguments["sampler_per_token_logps"] = torch.full((2, 2), -1e4, dtype=torch.float64)
    loss, _ = loss_and_gradient(arguments, loss_type="dapo", importance_sampling_cap=2.0)
    assert loss == pytest.approx(-2.0)


def test_only_the_new_log_probabilities_get_a_gradient() -> None:
    arguments = batch()
    for name in ("old_per_token_logps", "ref_per_token_logps", "sampler_per_token_logps"):
        arguments[name].requires_grad_()
    arguments["advantages"].requires_grad_()
    policy_loss(**arguments)[0].backward()
    assert arguments["per_token_logps"].grad is not None
    for name in ("old_per_token_logps", "ref_per_token_logps", "advantages"):
        assert arguments[name].grad is None


def test_unscaled_advantages_keep_the_lone_dissenter_small() -> None:
    rewards = double([[7 / 8] * 7 + [1 / 8]])
    assert group_advantages(rewards)[0, 7].item() == pytest.approx(-0.65625)
    assert group_advantages(rewards, "group")[0, 7].item() < -2.4


def test_advantages_of_each_group_sum_to_zero() -> None:
    rewards = torch.rand(4, 8, dtype=torch.float64)
    for scale in ("none", "group", "batch"):
        sums = group_advantages(rewards, scale).sum(dim=1)  # type: ignore[arg-type]
        torch.testing.assert_close(sums, torch.zeros(4, dtype=torch.float64))


def test_wrong_arguments_are_refused() -> None:
    arguments = batch()
    with pytest.raises(ValueError, match="ref_per_token_logps"):
        policy_loss(**(arguments | {"ref_per_token_logps": None}))
    with pytest.raises(ValueError, match="unknown loss_type"):
        policy_loss(**(arguments | {"loss_type": "ppo"}))
    with pytest.raises(ValueError, match="advantages"):
        policy_loss(**(arguments | {"advantages": torch.zeros(5, 1)}))
    with pytest.raises(ValueError, match="G >= 2"):
        group_advantages(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="unknown scale"):
        group_advantages(torch.zeros(3, 2), "std")  # type: ignore[arg-type]
