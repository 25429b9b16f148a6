"""From hidden states to log-probabilities, a slice of the logits at a time.

The logits of a completion are by far the largest tensor of a step: 4,096 tokens and a vocabulary
of 150,000 are 2.4 GB in float32, and autograd keeps several of them. Here the gradient of each
token's log-probability with respect to its hidden state is taken in the forward pass, while its
slice of the logits is at hand; backward only scales it, so nothing is kept and nothing is computed
twice. That is exact because the head is frozen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Numbers in one slice of the logits: 32 MiB in float32.
_SLICE = 2**23


def plain_head(model: Any) -> Tensor | None:
    """The frozen weight [V, D] of a head that only multiplies, None where it does more.

    Some models scale or cap their logits, or have a bias. Instead of knowing them all, one token
    goes through both ways.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None or head.weight.requires_grad:
        return None
    token = torch.zeros(1, 1, dtype=torch.long, device=head.weight.device)
    with torch.no_grad():
        hidden = model.get_decoder()(input_ids=token, use_cache=False).last_hidden_state
        is_plain = torch.equal(head(hidden), model(input_ids=token, use_cache=False).logits)
    return head.weight if is_plain else None


def token_logps(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target [n] under softmax(hidden @ weight.T / temperature), and the
    entropy of that distribution [n]; both float32, nats. Only `hidden` [n, D] gets a gradient,
    and only from the log-probabilities.
    """
    logps, entropies = _TokenLogps.apply(hidden, weight, targets, temperature)
    return logps, entropies


class _TokenLogps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        logps = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropies = torch.empty_like(logps)
        rows = max(_SLICE // len(weight), 1)
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            target = targets[part, None]
            table = (hidden[part] @ weight.T).float().div_(temperature)
            table -= table.logsumexp(dim=-1, keepdim=True)
            logps[part] = table.gather(1, target)[:, 0]
            probabilities = table.exp()
            entropies[part] = -torch.linalg.vecdot(probabilities, table)
            if gradient is not None:
                # d logp / d logits = (one-hot - p) / temperature
                by_logits = probabilities.neg_()
                by_logits.scatter_add_(1, target, torch.ones_like(target, dtype=torch.float32))
                torch.mm(by_logits.div_(temperature).to(weight.dtype), weight, out=gradient[part])
        ctx.mark_non_differentiable(entropies)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return logps, entropies

    @staticmethod
    def backward(ctx: Any, grad_logps: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grad_logps[:, None]).to(gradient.dtype), None, None, None
