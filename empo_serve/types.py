"""Records that cross a stage or a process. Dicts stop at the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ANONYMOUS = "anonymous"  # the principal of every request while no API keys are configured


class BandDecision(StrEnum):
    """What the entropy band says of one scored group."""

    ADMITTED = "admitted"
    TOO_CERTAIN = "too_certain"  # entropy below the band: nothing left to learn
    TOO_UNCERTAIN = "too_uncertain"  # above the band: the consensus cannot be trusted
    NO_CONSENSUS = "no_consensus"  # inside the band, but the largest cluster is too small
    NO_SIGNAL = "no_signal"  # every sample would get the same reward (8, 4+4, 2+2+2+2, ...)


class GroupState(StrEnum):
    """Life of a group in the buffer."""

    PENDING = "PENDING"  # admitted, waits for a job
    LEASED = "LEASED"  # PENDING -> LEASED: a job holds it
    TRAINED = "TRAINED"  # LEASED -> TRAINED: its job finished
    DISCARDED = "DISCARDED"  # never admitted, or too old to train on
    FAILED = "FAILED"  # its jobs failed too often


class AdapterState(StrEnum):
    """Life of an adapter version."""

    CANDIDATE = "CANDIDATE"  # published, gets no traffic
    CANARY = "CANARY"  # CANDIDATE -> CANARY: answers a share of the users, and may go back
    LIVE = "LIVE"  # CANDIDATE | CANARY | RETIRED | ROLLED_BACK -> LIVE: answers users
    RETIRED = "RETIRED"  # LIVE -> RETIRED: a newer version took over
    REJECTED = "REJECTED"  # CANDIDATE -> REJECTED: the gate refused it
    ROLLED_BACK = "ROLLED_BACK"  # LIVE | CANARY -> ROLLED_BACK: an operator or a guard took it back


class UpdateState(StrEnum):
    """Life of one training update."""

    TRAINING = "TRAINING"
    PUBLISHED = "PUBLISHED"  # TRAINING -> PUBLISHED: its adapter is a version now
    REJECTED = "REJECTED"  # TRAINING -> REJECTED: its adapter did not pass the gate
    SKIPPED = "SKIPPED"  # TRAINING -> SKIPPED: no group in it had a signal
    FAILED = "FAILED"  # TRAINING -> FAILED: the trainer crashed; the rows went back


class Guard(StrEnum):
    """What can pause learning."""

    UNANIMITY = "unanimity"  # hardly a group has more than one meaning any more
    EXHAUSTION = "exhaustion"  # few groups disagree, and the updates grow rough
    CONSTANT_ANSWER = "constant_answer"  # one answer to different prompts
    ANSWER_LENGTH = "answer_length"
    REFUSALS = "refusals"
    NO_ANSWERS = "no_answers"
    TRUNCATION = "truncation"
    TOKEN_ENTROPY = "token_entropy"
    KL = "kl"  # too far from the base model
    UPDATES = "updates"  # too many updates since v0
    GRADIENT = "gradient"
    NOT_FINITE = "not_finite"  # updates fail on NaN or infinity
    MISMATCH = "mismatch"  # trainer and sampler do not agree on probabilities


@dataclass(frozen=True, slots=True)
class Query:
    """One prompt that arrived, with what is needed to sample it again.

    `route` is "chat" or "completions"; `prompt` holds only the fields that make the prompt
    (`messages`, `prompt`, ...), never the client's sampling hints. `question` is the text that
    the semantic layer sees. `principal` is who asked: the name of an API key, never anything
    that the client says of itself.
    """

    query_id: str
    route: str
    prompt: dict[str, Any]
    question: str
    arrived_at: float  # unix seconds
    principal: str = ANONYMOUS


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion of a query, exactly as the engine's sampler produced it.

    `logprobs[t]` is the log-probability of `token_ids[t]` under the distribution that was
    sampled from (temperature applied), in nats.
    """

    text: str
    finish_reason: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]

    @property
    def mean_logprob(self) -> float:
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else 0.0

    @property
    def is_truncated(self) -> bool:
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class SampledGroup:
    """The samples of one query; all from one adapter version."""

    query: Query
    version: str
    prompt_token_ids: tuple[int, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class GroupScore:
    """What the semantic layer says of one group. Entropies are in nats.

    `answers[i]` is the final answer of sample i, "" when it has none. `semantic_ids[i]` is its
    cluster, numbered 0..num_clusters-1 in order of first appearance.
    `confidence` is 1 - normalised entropy; None for a single sample.
    """

    answers: tuple[str, ...]
    semantic_ids: tuple[int, ...]
    semantic_entropy: float
    rao_semantic_entropy: float | None
    semantic_entropy_norm: float
    num_clusters: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One row of the adapter registry.

    `version` is "v0", "v1", ...; `engine_name` is what the engine knows it by, unique for ever.
    `is_base`: it is served as the engine's base model, so no engine is told to load or unload it.
    """

    version: str
    engine_name: str
    state: AdapterState
    parent: str | None
    update_id: int | None
    created_at: float
    gate: dict[str, Any] = field(default_factory=dict)
    trained_groups: int = 0
    is_base: bool = False
    canary: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class UncertaintyOptions:
    """The `empo` field of a request body: tell me how sure you are, at once."""

    samples: int
    consensus: bool  # answer with the largest cluster instead of the first answer


@dataclass(frozen=True, slots=True)
class UserRequest:
    """One checked user request, ready for the engine but for the adapter's name.

    `body` holds the client's fields without those that are reserved to us. `num_seqs` is the
    number of sequences that the engine runs for it. `not_learned` is the reason why the query may
    not be learned from, None when it may.
    """

    route: str
    body: dict[str, Any]
    stream: bool
    num_seqs: int
    uncertainty: UncertaintyOptions | None
    query: Query
    not_learned: str | None
