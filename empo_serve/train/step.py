"""The gradient of one step: micro-batches through the model, losses added up.

On the first iteration over the groups, the policy that the gradient is taken of is the old one, so
`per_token_logps.detach()` is the old log-probability, exactly; for further iterations it is kept.
What the samples differ from it by (an older version, the engine's arithmetic) is corrected by the
importance weight, from the sampler's own log-probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from empo_serve.errors import JobError
from empo_serve.train.forward import Completion, Policy
from empo_serve.train.job import Job, JobSample
from empo_serve.train.loss import STD_EPSILON, group_advantages, loss_normalizer, policy_loss
from empo_serve.train.model import say
from empo_serve.train.workers import Workers


@dataclass(frozen=True, slots=True)
class Before:
    """Log-probabilities [T] of a sample's tokens before the first step on it: of the policy, and
    of the model without adapter (None with beta = 0)."""

    old: Tensor
    ref: Tensor | None


def accumulate_gradients(
    job: Job,
    policy: Policy,
    rewards: list[list[float]],
    trained: list[int],
    workers: Workers,
    before: dict[int, Before],
) -> tuple[dict[str, float], int]:
    """Accumulate the gradient of all groups of `job` in the model. Returns what to log, and how
    many tokens were trained on.

    `trained` are the indices of the groups that go through the model. `before`, by the index of the
    sample, is empty on the first iteration, which fills it for the others. Raises JobError when a
    number is not finite.
    """
    settings = job.train
    check_token_ids(job, policy.model.get_input_embeddings().num_embeddings)
    groups = [completions(job, i) for i in trained]
    batches = policy.batches(groups, settings.micro_batch_tokens)

    advantages = _advantages(job, rewards)
    samples = [sample for group in job.groups for sample in group.samples]
    # Over all groups, so that the size of the step speaks of how much evidence there is.
    lengths = torch.tensor([0 if s.truncated else len(s.token_ids) for s in samples])
    everything = torch.arange(int(lengths.max())) < lengths[:, None]
    options: dict[str, Any] = {
        "loss_type": settings.loss_type,
        "epsilon": settings.epsilon,
        "epsilon_high": settings.epsilon_high,
        "beta": settings.beta,
        "importance_sampling_cap": settings.importance_sampling_cap,
        "normalizer": loss_normalizer(everything, settings.loss_type, job.max_completion_length),
    }

    is_first = not before
    seen: list[tuple[int, Tensor, Before]] = []  # sample, its log-probabilities now and before
    token_entropies = 0.0
    for number, rows in workers.share(batches):
        indices = [c.index for row in rows for c in row.completions]
        refs: list[Tensor | None] = [None] * len(indices)
        if is_first and settings.beta > 0:
            with torch.no_grad(), policy.model.disable_adapter():
                refs = list(policy.logps(rows, job.temperature)[0])
        logps, entropies = policy.logps(rows, job.temperature)
        if is_first:
            for index, old, ref in zip(indices, logps, refs, strict=True):
                before[index] = Before(old.detach().cpu(), None if ref is None else ref.cpu())
        priors = [before[index] for index in indices]
        loss, _ = _loss(samples, advantages, indices, logps, priors, options)
        if not math.isfinite(float(loss.detach())):
            check_finite(job, {"loss": float(loss.detach())})
        loss.backward()
        token_entropies += float(entropies.sum())
        logps = [new.detach().cpu() for new in logps]
        seen += list(zip(indices, logps, priors, strict=True))
        say(f"micro-batch {number}/{len(batches)}: {sum(r.num_tokens for r in rows)} tokens")
    workers.add_gradients(policy.model.parameters())
    seen = workers.gather(seen)
    token_entropies = sum(workers.gather([token_entropies]))

    # Once more over everything, now without a gradient: the loss and the metrics of the batch.
    seen.sort(key=lambda entry: entry[0])
    loss, numbers = _loss(
        samples,
        advantages,
        [index for index, _, _ in seen],
        [new for _, new, _ in seen],
        [prior for _, _, prior in seen],
        options,
    )
    tokens = sum(len(new) for _, new, _ in seen)
    numbers |= {"loss": float(loss), "token_entropy": token_entropies / tokens}
    return numbers, tokens


def _loss(
    samples: Sequence[JobSample],
    advantages: Tensor,
    indices: list[int],
    logps: list[Tensor],
    priors: list[Before],
    options: dict[str, Any],
) -> tuple[Tensor, dict[str, float]]:
    """The loss of some samples, from one tensor of log-probabilities for each."""
    device = logps[0].device
    new = pad_sequence(logps, batch_first=True)
    old = pad_sequence([prior.old for prior in priors], batch_first=True)
    refs = [prior.ref for prior in priors if prior.ref is not None]
    sampler = [torch.tensor(samples[i].logprobs) for i in indices]
    lengths = torch.tensor([len(x) for x in logps], device=device)
    return policy_loss(
        new,
        old.to(device),
        advantages[indices].to(device),
        torch.arange(new.shape[1], device=device) < lengths[:, None],
        ref_per_token_logps=pad_sequence(refs, batch_first=True).to(device) if refs else None,
        sampler_per_token_logps=pad_sequence(sampler, batch_first=True).to(device),
        **options,
    )


def _advantages(job: Job, rewards: list[list[float]]) -> Tensor:
    """One advantage per sample of the job, flat; groups may differ in size."""
    scale = job.train.scale_advantages
    if scale != "batch":
        return torch.cat([group_advantages(torch.tensor([r]), scale)[0] for r in rewards])
    centred = torch.cat([group_advantages(torch.tensor([r]))[0] for r in rewards])
    flat = torch.tensor([value for group in rewards for value in group])
    return centred / (flat.std() + STD_EPSILON)


def completions(job: Job, group_index: int) -> list[Completion]:
    """What of a group goes through the model: not what was truncated, nor what is empty."""
    first = sum(len(g.samples) for g in job.groups[:group_index])
    group = job.groups[group_index]
    return [
        Completion(first + i, group.prompt_token_ids, s.token_ids)
        for i, s in enumerate(group.samples)
        if s.token_ids and not s.truncated
    ]


def check_token_ids(job: Job, vocabulary: int) -> None:
    # An index out of range is an error without a name on CPU, and kills the process on a GPU.
    for group in job.groups:
        ids = [*group.prompt_token_ids, *(t for s in group.samples for t in s.token_ids)]
        if min(ids) < 0 or max(ids) >= vocabulary:
            raise JobError(
                f"group {group.group_id} has a token id outside of the base model's vocabulary "
                f"of {vocabulary}: its samples are of another model"
            )


def check_finite(job: Job, numbers: dict[str, float]) -> None:
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise JobError(
                f"update {job.update_id}: {name} is not finite ({value}); nothing is published"
            )
