"""How the adapter learns, and what a new version must show before and while it serves."""

from __future__ import annotations

from pathlib import Path
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
    """Groups that make one update, and one step of the optimiser (num_iterations of them)."""
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
    num_iterations: int = Field(1, ge=1, le=16)
    """Steps of the optimiser on the same groups. The first one is on-policy; in further ones
    epsilon and epsilon_high bound how far a sample's probability is moved."""
    epsilon: float = Field(0.2, gt=0, lt=1)
    """Lower clip of the probability ratio."""
    epsilon_high: float = Field(0.28, gt=0)
    """Upper clip of the probability ratio."""
    max_repeats: int = Field(6, ge=0)
    """Updates of one lineage that may train on one prompt (the same tokens), and never twice in
    one update; 0: no limit. What little still has a signal would else be trained on over and
    over, which is how a rise turns into a fall."""
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


class GuardsSection(Section):
    """What pauses learning. A baseline is made of the first groups that were sampled, the latest
    groups are compared with it, and where both are samples two standard errors are added."""

    enabled: bool = True
    """Pause learning, and say why, when one of the following limits is crossed."""
    window: int = Field(32, ge=8)
    """Groups that make the baseline, and latest groups that are compared with it (half of them
    are enough to begin)."""
    min_disagreement: float = Field(0.1, ge=0, lt=1)
    """Share of the baseline's groups with more than one meaning that must remain; 0: off. Learning
    takes most of them away; when nearly all are gone, it is done or has collapsed."""
    max_gradient_rise: float = Field(2.0, ge=0)
    """With two thirds of that disagreement gone: how many times higher the gradient norm of the
    last three updates may be than that of the ones before; 0: off."""
    max_top_answer_increase: float = Field(0.25, ge=0, le=1)
    """How much more of the different prompts may get one and the same answer; 1: off."""
    max_length_factor: float = Field(4.0, ge=0)
    """How many times longer or shorter (in tokens) answers may become; 0: off."""
    max_refusal_increase: float = Field(0.1, ge=0, le=1)
    """How much larger the share of refusals may become; 1: off."""
    max_no_answer_increase: float = Field(0.1, ge=0, le=1)
    """How much larger the share of samples that end without an answer may become; 1: off."""
    max_truncation_increase: float = Field(0.1, ge=0, le=1)
    """How much larger the share of samples that are cut at the token limit may become; 1: off."""
    min_token_entropy: float = Field(0.05, ge=0, lt=1)
    """Share of the initial entropy per token that must remain; 0: off."""
    max_kl: float = Field(3.0, ge=0)
    """KL divergence to the base model, in nats per token, that a lineage may spend; 0: off. It is
    known only with train.beta above 0."""
    max_updates: int = Field(0, ge=0)
    """Updates that a lineage may have since v0; 0: no limit."""
    max_gradient_factor: float = Field(10.0, ge=0)
    """How many times the lineage's median the gradient norm of an update may be; 0: off."""
    max_not_finite: int = Field(2, ge=0)
    """Updates that fail on a number that is not finite, before learning pauses; 0: off."""
    max_logprob_difference: float = Field(0.1, ge=0)
    """Mean |trainer - sampler| log-probability, in nats, of updates without stale samples, three
    in a row; 0: off. On one machine 0.01 to 0.06 is usual."""
    min_effective_sample_size: float = Field(0.5, ge=0, lt=1)
    """The least share of the tokens that may count in effect, three updates in a row; 0: off."""


class GateSection(Section):
    enabled: bool = True
    """Compare a candidate with its parent, through the engine, before it serves."""
    heldout_share: float = Field(0.1, ge=0, le=0.5)
    """Share of distinct questions that are never trained on, chosen by their hash: what the gate
    asks. They are sampled and logged as all others are."""
    num_queries: int = Field(16, ge=1)
    """Distinct queries that both answer: held-out ones, and where there are too few, recent ones;
    the verdict says how many of each. Checks that compare need 6."""
    num_samples: int = Field(4, ge=2, le=16)
    """Samples of each query beside the likeliest answer, for entropy and consensus. Both versions
    together write num_queries * 2 * (1 + num_samples) completions: 160 by default."""
    confidence: float = Field(0.9, ge=0.5, le=0.999)
    """One-sided confidence with which a difference must be within its margin to pass. What was
    observed beyond the margin fails; what is neither is undecided, and the verdict says so."""
    min_distinct_ratio: float = Field(0.5, ge=0, le=1)
    """The candidate must give at least this share of the parent's number of distinct answers:
    one answer to everything is a collapse."""
    max_no_answer_increase: float = Field(0.2, ge=0, le=1)
    """How much more often than the parent the candidate may end without an answer."""
    max_same_answer_increase: float = Field(0.5, ge=0, le=1)
    """How much larger than the parent's the share of queries may be that get the same answer."""
    max_length_ratio: float = Field(3.0, ge=1)
    """How many times longer or shorter than the parent's the candidate's answers may be."""
    max_one_token_increase: float = Field(0.5, ge=0, le=1)
    """How much larger than the parent's the share of its answers of a single token may be."""
    max_agreement_drop: float = Field(0.25, ge=0, le=1)
    """How much less often than the parent itself the candidate's likeliest answer may be what most
    of the parent's samples say."""
    max_entropy_increase: float = Field(0.25, ge=0, le=1)
    """How much the mean normalised semantic entropy may rise."""
    max_kl_to_base: float = Field(1.0, gt=0)
    """Nats per token that the candidate may be away from v0, on samples of its own."""
    bundled_probes: bool = True
    """Also ask 6 bundled instructions with a checkable form, and 6 harmful requests: those that v0
    refuses must still be refused. What v0 and a parent said is remembered, so that is 12 short
    completions a candidate."""
    max_bundled_drop: float = Field(0.25, ge=0, le=1)
    """Share of the bundled probes of a kind that may be lost."""
    probes: Path | None = None
    """Your own questions: JSON lines {"prompt": "...", "gold": ["...", ...]}. Right is an answer
    that contains one of the gold texts as whole words. Never trained on."""
    max_probe_drop: float = Field(0.05, ge=0, le=1)
    """How much accuracy on your own questions may be lost."""


class RolloutSection(Section):
    canary_share: float = Field(0.0, ge=0, le=0.5)
    """Share of users (by API key and the body's `user`; without both, of questions) that a version
    which passed the gate answers before it answers all. 0: it goes live at once. While a canary is
    out, each sampled query is answered by both versions, and no update begins."""
    canary_min_requests: int = Field(50, ge=1)
    """User requests, of both versions together, before a canary may be promoted."""
    canary_max_requests: int = Field(1000, ge=1)
    """After so many a canary without evidence against it is promoted."""
    canary_max_s: float = Field(3600.0, gt=0)
    """The same after so many seconds, if there were canary_min_requests."""
    canary_samples: int = Field(4, ge=2, le=16)
    """Samples of each version that are compared on a sampled query."""
    canary_alpha: float = Field(0.05, gt=0, lt=0.5)
    """Chance at most with which a canary that is as good as the live version is ever taken back,
    and with which one that is worse by a margin counts as good enough."""
    canary_max_error_increase: float = Field(0.05, gt=0, lt=1)
    """How much larger its share of failed requests may be."""
    canary_max_entropy_increase: float = Field(0.15, gt=0, lt=1)
    """How much larger its mean normalised semantic entropy may be."""
    canary_max_agreement_drop: float = Field(0.15, gt=0, lt=1)
    """How much less often its samples may agree with the live version's than these do with each
    other."""
    canary_max_length_ratio: float = Field(3.0, gt=1, lt=8)
    """How many times longer or shorter its answers may be."""
    canary_max_feedback_drop: float = Field(0.5, gt=0, lt=2)
    """How much lower its mean rating (-1 to 1) may be."""
    keep_loaded: int = Field(2, ge=0)
    """Former live versions that stay loaded in the engine, for an instant rollback and for
    X-Empo-Version."""
    warm_prefixes: int = Field(8, ge=0, le=64)
    """Most frequent system prompts that the engine computes under a new version before it goes
    live, so that the first answers do not wait for them; 0 for none. They are counted in memory
    only, and never from requests that opt out of learning."""
    warm_timeout_s: float = Field(30.0, gt=0)
    """The longest that a new version waits for that."""
