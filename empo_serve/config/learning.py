"""How the adapter learns, and what a new version must show before and while it serves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from empo_serve.config.section import Section


class BufferSection(Section):
    max_groups: int = Field(100_000, ge=1)
    """Groups that are kept; the oldest that are no longer needed are deleted first."""


class TrainSection(Section):
    enabled: bool = True
    """Train at all. Off: sampling and entropy go on, nothing is learned."""
    groups_per_update: int = Field(8, ge=1)
    """Groups that make one update, and one step of the optimiser."""
    interval_s: float = Field(0.0, ge=0)
    """Train at least this often if any group is pending; 0: only when enough are."""
    rebase_every: int = Field(0, ge=0)
    """After this many versions on top of each other, start again at v0 and train on the groups of
    all of them and the new ones, step by step: what went wrong on the way is left behind. 0: never.
    Their samples are older than max_staleness allows elsewhere; importance_sampling_cap bounds what
    that can do. An adapter that was imported is left behind too."""
    max_staleness: int = Field(2, ge=0)
    """Groups whose samples are more versions old than this are not trained on."""
    reward: Literal["prob", "logprob", "loo", "majority", "random"] = "prob"
    """Reward of a sample from its cluster. "prob" is EMPO; "random" is a control."""
    empty_reward: float = -0.5
    """Reward of a sample without an answer."""
    copies_are_answers: bool = False
    """Reward an answer that only repeats the question like any other. Off: it gets none. An answer
    of one or two words, and one that picks from what the question offers, is never a copy."""
    scale_advantages: Literal["none", "group", "batch"] = "none"
    """Divide advantages by a standard deviation? "none" protects rare answers."""
    loss_type: Literal["dr_grpo", "dapo", "grpo", "gspo"] = "dr_grpo"
    """How token losses are added up. "gspo" takes the ratio and its clips of whole samples, and
    wants an epsilon about a thousand times smaller."""
    epsilon: float = Field(0.2, gt=0, lt=1)
    """Lower clip of the probability ratio."""
    epsilon_high: float = Field(0.28, gt=0)
    """Upper clip of the probability ratio."""
    beta: float = Field(0.02, ge=0)
    """Weight of the KL divergence to the model without adapter."""
    importance_sampling_cap: float = Field(2.0, ge=1)
    """Cap of the correction for the difference between the engine's and the trainer's numbers."""
    learning_rate: float = Field(1e-5, gt=0)
    """Step size of AdamW; constant."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    rank: int = Field(16, ge=1, le=512)
    """Rank of the LoRA matrices, on all linear layers."""
    alpha: float = Field(32.0, gt=0)
    """LoRA scale: the update is multiplied by alpha / rank."""
    micro_batch_tokens: int = Field(4096, ge=64)
    """Tokens (padding included) that go through the model at once."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass instead of keeping its numbers: less memory,
    about a third slower."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the trainer runs."""
    threads: int = Field(0, ge=0)
    """CPU threads of the trainer; 0 takes every core that this process may use."""
    nice: int = Field(10, ge=0, le=19)
    """Added to the trainer's niceness, so that serving goes first."""
    timeout_s: float = Field(3600.0, gt=0)
    """An update that takes longer is killed and counts as failed."""
    max_attempts: int = Field(3, ge=1)
    """Jobs that a group may be in before it counts as failed."""
    seed: int = 0
    """Seed of the initial adapter and of the random control reward."""


class GateSection(Section):
    enabled: bool = True
    """Compare a candidate with its parent, through the engine, before it serves."""
    num_queries: int = Field(16, ge=1)
    """Recent distinct queries that both answer."""
    min_distinct_ratio: float = Field(0.5, ge=0, le=1)
    """The candidate must give at least this share of the parent's number of distinct answers:
    one answer to everything is a collapse."""
    max_no_answer_increase: float = Field(0.2, ge=0, le=1)
    """How much more often than the parent the candidate may end without an answer."""


class RolloutSection(Section):
    keep_loaded: int = Field(2, ge=0)
    """Former live versions that stay loaded in the engine, for an instant rollback and for
    X-Empo-Version."""
    warm_prefixes: int = Field(8, ge=0, le=64)
    """Most frequent system prompts that the engine computes under a new version before it goes
    live, so that the first answers do not wait for them; 0 for none. They are counted in memory
    only, and never from requests that opt out of learning."""
    warm_timeout_s: float = Field(30.0, gt=0)
    """The longest that a new version waits for that."""
