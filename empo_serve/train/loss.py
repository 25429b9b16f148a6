"""The policy loss: clipped, corrected for the sampler, held near the model without adapter.

Shape suffixes: B groups, G samples of a group, N = B*G samples, T completion tokens (padded).

Sources: GRPO (arXiv 2402.03300), Dr. GRPO (2503.20783), DAPO (2503.14476), GSPO (2507.18071),
the k3 estimator of the KL divergence (Schulman, "Approximating KL Divergence"), and truncated
importance sampling for the difference between sampler and trainer (Yao et al., "Your Efficient
RL Framework Secretly Brings You Off-Policy RL Training").
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

LossType = Literal["dr_grpo", "dapo", "grpo", "gspo"]
AdvantageScale = Literal["none", "group", "batch"]

# Added to a standard deviation before dividing by it, as TRL does.
STD_EPSILON = 1e-4


def group_advantages(rewards: Tensor, scale: AdvantageScale = "none") -> Tensor:
    """Rewards [B, G] minus the mean of their group; same shape.

    `scale` divides by a sample standard deviation (ddof=1), of each group or of the whole
    batch. "none" is the default because dividing by the group's own makes the lone dissenter
    of a 7+1 group the strongest signal of all, and that dissenter is sometimes right.
    """
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards must be [B, G] with G >= 2, got {list(rewards.shape)}")
    if not rewards.is_floating_point():
        rewards = rewards.float()
    advantages = rewards - rewards.mean(dim=1, keepdim=True)
    match scale:
        case "none":
            return advantages
        case "group":
            return advantages / (rewards.std(dim=1, keepdim=True) + STD_EPSILON)
        case "batch":
            return advantages / (rewards.std() + STD_EPSILON)
    raise ValueError(f"unknown scale {scale!r}")


def loss_normalizer(
    completion_mask: Tensor, loss_type: LossType, max_completion_length: int | None = None
) -> float:
    """What the sum over the batch is divided by.

    - "dr_grpo": N * max_completion_length, a constant (T when None): no length bias.
    - "dapo": the number of active tokens.
    - "grpo", "gspo": N, after the mean over each sample's own tokens.

    Computed from the whole batch and handed to `policy_loss` with each micro-batch, the losses
    and the gradients of the micro-batches add up to those of the whole.
    """
    num_samples, num_tokens = completion_mask.shape
    match loss_type:
        case "dr_grpo":
            length = num_tokens if max_completion_length is None else max_completion_length
            return float(max(num_samples * length, 1))
        case "dapo":
            return float(max(int(completion_mask.bool().sum()), 1))
        case "grpo" | "gspo":
            return float(max(num_samples, 1))
    raise ValueError(f"unknown loss_type {loss_type!r}")


def policy_loss(
    per_token_logps: Tensor,
    old_per_token_logps: Tensor,
    advantages: Tensor,
    completion_mask: Tensor,
    *,
    loss_type: LossType = "dr_grpo",
    epsilon: float = 0.2,
    epsilon_high: float = 0.28,
    beta: float = 0.0,
    ref_per_token_logps: Tensor | None = None,
    max_completion_length: int | None = None,
    sampler_per_token_logps: Tensor | None = None,
    importance_sampling_cap: float = 2.0,
    normalizer: float | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """The loss to minimise, and what to log about it.

    Log-probabilities and `completion_mask` are [N, T], `advantages` [N]. Only
    `per_token_logps` gets a gradient. Where the mask is 0 a tensor may hold anything, NaN
    included: neither the loss nor the gradient sees it. A sample without active tokens adds 0.

    Per token: -min(ratio * A, clip(ratio, 1 - epsilon, 1 + epsilon_high) * A) * w + beta * k3,
    with ratio = exp(new - old), for "gspo" the geometric mean over the sample's tokens;
    w = min(exp(old - sampler), importance_sampling_cap), 1 without `sampler_per_token_logps`;
    k3 = exp(ref - new) - (ref - new) - 1. Then summed as `loss_normalizer` says; give
    `normalizer` when this is one micro-batch of a larger batch.

    Metrics, over active tokens: "clip_fraction"; with a reference "kl" (mean k3, nats); with
    sampler log-probabilities "importance_ratio_mean", "mean_abs_logprob_difference" (nats) and
    "effective_sample_size" ((sum w)^2 / (n * sum w^2), 1 when all tokens count the same).
    """
    if per_token_logps.ndim != 2 or advantages.shape != per_token_logps.shape[:1]:
        raise ValueError(
            f"log-probabilities must be [N, T] and advantages [N], got "
            f"{list(per_token_logps.shape)} and {list(advantages.shape)}"
        )
    if beta > 0 and ref_per_token_logps is None:
        raise ValueError("beta > 0 needs ref_per_token_logps")
    if normalizer is None:
        normalizer = loss_normalizer(completion_mask, loss_type, max_completion_length)

    mask = completion_mask.bool()
    num_active = max(int(mask.sum()), 1)
    tokens_per_sample = mask.sum(dim=1, keepdim=True).clamp(min=1)

    def active(values: Tensor) -> Tensor:
        # Multiplying by the mask would keep NaN; selecting does not, and stops its gradient too.
        return torch.where(mask, values, 0.0)

    logps = active(per_token_logps)
    old_logps = active(old_per_token_logps.detach())
    advantages_n1 = advantages.detach().unsqueeze(1)

    log_ratio = logps - old_logps
    if loss_type == "gspo":
        log_ratio = (log_ratio.sum(dim=1, keepdim=True) / tokens_per_sample).expand_as(logps)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    per_token_loss = -torch.minimum(ratio * advantages_n1, clipped * advantages_n1)
    is_clipped = ((ratio < 1 - epsilon) & (advantages_n1 < 0)) | (
        (ratio > 1 + epsilon_high) & (advantages_n1 > 0)
    )
    metrics = {"clip_fraction": float((is_clipped & mask).sum()) / num_active}

    if sampler_per_token_logps is not None:
        difference = old_logps - active(sampler_per_token_logps.detach())
        weight = difference.exp().clamp(max=importance_sampling_cap)
        per_token_loss = per_token_loss * weight
        weights = active(weight)
        squares = float(weights.square().sum())
        metrics["importance_ratio_mean"] = float(weights.sum()) / num_active
        metrics["mean_abs_logprob_difference"] = float(difference.abs().sum()) / num_active
        metrics["effective_sample_size"] = (
            float(weights.sum()) ** 2 / (num_active * squares) if squares > 0 else 0.0
        )

    if ref_per_token_logps is not None:
        ref_difference = active(ref_per_token_logps.detach()) - logps
        k3 = ref_difference.exp() - ref_difference - 1
        # The importance weight corrects the policy term only, so the KL is added after it.
        per_token_loss = per_token_loss + beta * k3
        metrics["kl"] = float(active(k3.detach()).sum()) / num_active

    per_token_loss = active(per_token_loss)
    if loss_type in ("grpo", "gspo"):
        per_token_loss = per_token_loss / tokens_per_sample
    return per_token_loss.sum() / normalizer, metrics
