"""Every key of the configuration, its default, and what is wrong with which value.

Each attribute docstring below is the documentation of its key; docs/configuration.md is generated
from them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from empo_serve.api_keys import ApiKey


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )


class ModelSection(Section):
    path: str = ""
    """Model to serve: a Hugging Face directory, a GGUF file (converted once into the data
    directory), or a hub id such as "Qwen/Qwen2.5-1.5B-Instruct". "demo" is the small model that
    the [demo] extra installs. Not used when engine.kind is "fake"."""
    name: str = ""
    """Public model name in the OpenAI API. Empty: the last part of the path."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Precision of the weights, in the engine and in the trainer."""

    @cached_property
    def public_name(self) -> str:
        if self.name:
            return self.name
        if self.path == "demo":
            return "smollm2-135m-instruct"
        return Path(self.path).name.removesuffix(".gguf") or "fake"


class ServerSection(Section):
    host: str = "127.0.0.1"
    """Address of the public API."""
    port: int = Field(8000, ge=0, le=65535)
    """Port of the public API; 0 takes a free one."""
    admin_host: str = "127.0.0.1"
    """Address of the admin API. Without [auth] keys anybody who reaches it may do everything."""
    admin_port: int = Field(8001, ge=0, le=65535)
    """Port of the admin API; 0 takes a free one."""
    data_dir: Path = Path("empo-data")
    """Everything that must survive: database, adapter versions, training jobs, converted model.
    It belongs to one model for ever."""
    shutdown_timeout_s: float = Field(30.0, gt=0)
    """How long SIGTERM lets running user requests finish before they are cut."""


class AuthSection(Section):
    keys: tuple[ApiKey, ...] = ()
    """Who may use the server, one `[[auth.keys]]` table each. Without any key, here or in
    `keys_file`, the server is open to everybody who reaches it. A change needs a restart."""
    keys_file: Path | None = None
    """A TOML file with more keys, as `[[keys]]` tables; relative to the working directory."""


class EngineSection(Section):
    kind: Literal["managed", "attached", "fake"] = "managed"
    """"managed": a vLLM that we start, watch and restart. "attached": vLLM servers that run
    already, at `urls`. "fake": the built-in stand-in, for trying out the control plane."""
    urls: tuple[str, ...] = ()
    """Base URLs of attached engines, for example ["http://127.0.0.1:8100"]."""
    port: int = Field(0, ge=0, le=65535)
    """Loopback port of a managed engine; 0 takes a free one."""
    max_model_len: int | None = Field(None, ge=64)
    """Longest context in tokens. Unset: what the model allows."""
    max_num_seqs: int = Field(64, ge=1)
    """Sequences that a managed engine runs at once."""
    max_loras: int = Field(4, ge=3)
    """Adapter slots of a managed engine: live, candidate, draining, and one to pin."""
    max_cpu_loras: int = Field(16, ge=4)
    """Adapters that a managed engine keeps in memory, ready for a slot."""
    cpu_kv_cache_gib: int = Field(2, ge=1)
    """Memory for the key-value cache of a managed engine on CPU, in GiB."""
    threads: int = Field(0, ge=0)
    """CPU threads of a managed engine; 0 takes every core that this process may use."""
    lora_kernels: Literal["grouped", "stock"] = "grouped"
    """How a managed engine on CPU applies adapters. "grouped": by our own kernels, about twice as
    fast. "stock": by vLLM's. On a GPU vLLM's own are always used."""
    v0: Literal["auto", "zero", "base"] = "auto"
    """How the first version is served. "base": as the plain base model, at its full speed. "zero":
    as an adapter that changes nothing, for engines that cannot mix requests with and without an
    adapter (vLLM's own kernels on CPU give the latter another adapter's output). "auto": "base" on
    a managed vLLM that can, else "zero"."""
    args: tuple[str, ...] = ()
    """More command-line arguments for the child process, as vLLM (or the fake engine) spells
    them."""
    startup_timeout_s: float = Field(600.0, gt=0)
    """How long the engine may take to become ready."""
    health_interval_s: float = Field(2.0, gt=0)
    """How often the engine's health is asked for."""
    stall_timeout_s: float = Field(60.0, gt=0)
    """An engine that is waited for hangs when for so long it sends no part of any answer, counts
    no token and, if managed, uses no CPU time. A managed one is then killed and started anew, an
    attached one gets no more requests until it answers again. A managed one that computes without
    a result gets ten times as long. For an attached vLLM on CPU, whose one process says nothing
    while it works on a prompt, make it longer than its longest prompt takes."""
    request_timeout_s: float = Field(600.0, gt=0)
    """Longest silence of the engine within one request."""
    control_timeout_s: float = Field(120.0, gt=0)
    """How long the engine may take to load or unload one adapter. Users' requests go on
    meanwhile."""

    @model_validator(mode="after")
    def _check(self) -> EngineSection:
        if (self.kind == "attached") != bool(self.urls):
            raise ValueError(
                'engine.urls goes with engine.kind = "attached": give both, or neither'
            )
        if self.max_cpu_loras <= self.max_loras:
            raise ValueError("engine.max_cpu_loras must be larger than engine.max_loras")
        return self


class SamplingSection(Section):
    num_generations: int = Field(8, ge=2, le=64)
    """Samples in a group."""
    temperature: float = Field(1.0, gt=0, le=2)
    """Temperature of the background samples. The client's own settings are never used."""
    max_tokens: int = Field(512, ge=1)
    """Longest background sample, in tokens; a longer one counts as no answer. engine.max_model_len
    bounds it too."""
    fraction: float = Field(1.0, ge=0, le=1)
    """Share of the eligible queries that is sampled."""
    max_concurrent: int = Field(4, ge=1)
    """Queries that are sampled at the same time."""
    queue_size: int = Field(256, ge=1)
    """Queries that may wait to be sampled; more are dropped and counted."""
    early_stop: bool = True
    """Stop sampling a query when the missing samples cannot bring it into the band. Only groups
    that are not trained on are cut short."""
    early_stop_risk: float = Field(0.0, ge=0, lt=1)
    """Stop already when the chance that they do is at most this, as estimated from the samples so
    far (docs/semantics.md). 0: only when it is impossible. For groups of up to 16."""
    when: Literal["auto", "capacity", "idle"] = "auto"
    """When background samples may run. "capacity": in whatever room users leave in the engine.
    "idle": only while no user request is being answered. "auto": "idle" on a managed engine
    without a GPU, where each sequence makes all others slower, else "capacity"."""
    max_seqs: int = Field(0, ge=0)
    """Background sequences that an engine runs at once, below engine.max_num_seqs; 0: a quarter
    of it."""
    ttft_budget_s: float = Field(2.0, gt=0)
    """While users wait longer than this for the first token of a stream (now, or in the median of
    the last ten seconds), no background sample runs."""
    max_tokens_per_minute: int = Field(0, ge=0)
    """Tokens (prompts and samples) that background sampling may spend in a minute; 0: any. Queries
    beyond it are not sampled, and counted."""
    max_tokens_per_minute_per_key: int = Field(0, ge=0)
    """The same for the queries of one API key."""

    @model_validator(mode="after")
    def _check(self) -> SamplingSection:
        if self.early_stop_risk and self.num_generations > 16:
            raise ValueError(
                "sampling.early_stop_risk counts through all ways in which samples can fall, which "
                "takes too long above sampling.num_generations = 16: leave it at 0"
            )
        return self


class SemanticsSection(Section):
    equivalence: Literal["auto", "rules", "embedding", "nli", "judge"] = "auto"
    """When do two answers mean the same? "rules": normalised text, numbers and mathematics.
    "embedding": sentence embeddings. "nli": each entails the other. "judge": a language model says
    so. "auto": rules, then for what is still open embeddings, NLI if there is an `nli_model`, and
    the judge if it has shown that it can judge."""
    embedding_model: str = "demo"
    """Directory or hub id of a sentence-transformers model. "demo" is all-MiniLM-L6-v2 from the
    [demo] extra."""
    embedding_threshold: float = Field(0.57, gt=0, le=1)
    """Similarity, in the light of the question, from which two answers without a conflict are the
    same."""
    nli_model: str = ""
    """Directory or hub id of a sentence-transformers CrossEncoder trained on NLI (contradiction,
    neutral, entailment), such as "cross-encoder/nli-deberta-v3-base". Empty: none."""
    nli_mode: Literal["strict", "loose"] = "strict"
    """"strict": the same when each answer entails the other. "loose": when neither contradicts the
    other and not both are neutral."""
    judge_url: str = ""
    """Base URL of an OpenAI-compatible endpoint that judges, such as "https://host/v1". Questions
    and answers of users are sent there. Empty: the served model without any adapter judges, in the
    room that users leave."""
    judge_model: str = ""
    """Name of the model at `judge_url`."""
    judge_api_key_env: str = ""
    """Environment variable that holds the API key for `judge_url`. Empty: no key is sent."""
    judge_threshold: float = Field(0.9, ge=0.5, le=1)
    """The judge's probability of "yes" from which two answers are the same. In "auto" the judge
    takes part only if with this threshold it reaches precision 0.95 and recall 0.3 on 40 bundled
    pairs."""
    math_timeout_s: float = Field(1.0, gt=0)
    """Wall clock for one comparison of mathematics; after it, its worker is killed."""
    math_workers: int = Field(1, ge=1)
    """Processes for comparisons of mathematics."""
    entropy_estimator: Literal["plugin", "miller_madow"] = "plugin"
    """Estimate of the semantic entropy that is logged, stored and told to users. "plugin": from
    the shares of the clusters, on average too low for few samples. "miller_madow": + (clusters
    - 1) / (2 samples), at most ln(samples). The band reads cluster sizes, whatever this says."""
    timeout_s: float = Field(60.0, gt=0)
    """Wall clock for scoring one group; after it, the scorer is restarted and the group is not
    scored. The time that a judge takes does not count."""

    @model_validator(mode="after")
    def _check(self) -> SemanticsSection:
        if self.equivalence == "nli" and not self.nli_model:
            raise ValueError(
                'semantics.equivalence = "nli" needs semantics.nli_model: the directory or hub id '
                "of a CrossEncoder trained on NLI"
            )
        if bool(self.judge_url) != bool(self.judge_model):
            raise ValueError("semantics.judge_url goes with semantics.judge_model: give both")
        if self.judge_api_key_env and not self.judge_url:
            raise ValueError("semantics.judge_api_key_env is for semantics.judge_url")
        return self


class BandSection(Section):
    low: float = Field(0.15, ge=0, le=1)
    """Lowest normalised semantic entropy that is trained on."""
    high: float = Field(0.70, ge=0, le=1)
    """Highest normalised semantic entropy that is trained on."""
    min_largest_cluster: float = Field(0.375, ge=0, le=1)
    """Smallest share of the samples that the largest cluster must hold."""

    @model_validator(mode="after")
    def _check(self) -> BandSection:
        if self.low >= self.high:
            raise ValueError("band.low must be smaller than band.high")
        return self


class BufferSection(Section):
    max_groups: int = Field(100_000, ge=1)
    """Groups that are kept; the oldest that are no longer needed are deleted first."""


class TrainSection(Section):
    enabled: bool = True
    """Train at all. Off: sampling and entropy go on, nothing is learned."""
    groups_per_update: int = Field(8, ge=1)
    """Groups that make one update."""
    interval_s: float = Field(0.0, ge=0)
    """Train at least this often if any group is pending; 0: only when enough are."""
    max_staleness: int = Field(2, ge=0)
    """Groups whose samples are more versions old than this are not trained on."""
    reward: Literal["prob", "logprob", "loo", "majority", "random"] = "prob"
    """Reward of a sample from its cluster. "prob" is EMPO; "random" is a control."""
    empty_reward: float = -0.5
    """Reward of a sample without an answer."""
    scale_advantages: Literal["none", "group", "batch"] = "none"
    """Divide advantages by a standard deviation? "none" protects rare answers."""
    loss_type: Literal["dr_grpo", "dapo"] = "dr_grpo"
    """How token losses are added up."""
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


class PrivacySection(Section):
    learn: bool = True
    """Learn from requests that do not say X-Empo-Learn. Requests with `X-Empo-Learn: no` are
    never stored and never learned from."""
    learn_multi_turn: bool = False
    """Also learn from chats in which the client wrote the assistant's earlier turns."""


class LimitsSection(Section):
    max_body_bytes: int = Field(8 * 2**20, ge=1024)
    """Largest request body."""
    max_url_bytes: int = Field(8190, ge=256)
    """Longest URL."""
    max_header_bytes: int = Field(8190, ge=256)
    """Longest header, name and value; there may be 128 of them."""
    max_n: int = Field(64, ge=1)
    """Largest `n` that a client may ask for."""
    max_messages: int = Field(1024, ge=1)
    """Most messages in a chat. For completions: most prompts times `n` in one request."""
    max_tokens: int = Field(0, ge=0)
    """Longest answer that a client may ask for, in tokens, for each of its `n`; who asks for no
    length gets this one. 0: only the engine's own limit."""
    max_inflight: int = Field(4096, ge=1)
    """User requests in the gateway at the same time; more get 503."""
    requests_per_minute: int = Field(0, ge=0, le=1_000_000)
    """Requests for answers in any 60 seconds, of all clients together; 0: no limit."""
    tokens_per_minute: int = Field(0, ge=0)
    """Prompt and answer tokens in any 60 seconds, of all clients together; 0: no limit."""
    client_timeout_s: float = Field(60.0, gt=0)
    """How long a client may take to send a request's body, and how long it may take nothing off an
    answer."""
    keepalive_timeout_s: float = Field(75.0, gt=0)
    """How long a connection may be idle, and how long a client may take to send a request's
    headers. Longer than a proxy in front keeps its idle connections (nginx: 60 s), or now and then
    the proxy uses one that is just being closed."""
    max_adapter_bytes: int = Field(2 * 2**30, ge=1024)
    """Largest adapter that can be imported."""


class TelemetrySection(Section):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    engine_log: bool = False
    """Show the engine's log lines too; they are always in <data_dir>/logs/engine.log."""


class Config(Section):
    model: ModelSection = ModelSection()
    server: ServerSection = ServerSection()
    auth: AuthSection = AuthSection()
    engine: EngineSection = EngineSection()
    sampling: SamplingSection = SamplingSection()
    semantics: SemanticsSection = SemanticsSection()
    band: BandSection = BandSection()
    buffer: BufferSection = BufferSection()
    train: TrainSection = TrainSection()
    gate: GateSection = GateSection()
    rollout: RolloutSection = RolloutSection()
    privacy: PrivacySection = PrivacySection()
    limits: LimitsSection = LimitsSection()
    telemetry: TelemetrySection = TelemetrySection()

    @property
    def max_sample_tokens(self) -> int:
        """sampling.max_tokens, but no more than the engine lets a request ask for."""
        return min(self.sampling.max_tokens, self.engine.max_model_len or self.sampling.max_tokens)

    @property
    def background_seqs(self) -> int:
        """Background sequences that one engine may run at once."""
        return self.sampling.max_seqs or max(1, self.engine.max_num_seqs // 4)

    @property
    def served_model_judges(self) -> bool:
        """Whether version v0 may be asked which answers mean the same."""
        semantics = self.semantics
        if semantics.judge_url:
            return False
        return semantics.equivalence == "judge" or (
            # The fake engine's answers mean nothing.
            semantics.equivalence == "auto" and self.engine.kind != "fake"
        )

    @model_validator(mode="after")
    def _check(self) -> Config:
        if self.sampling.max_seqs >= self.engine.max_num_seqs:
            raise ValueError(
                "sampling.max_seqs must be smaller than engine.max_num_seqs: the rest is for users"
            )
        # Live, candidate, draining, and v0 where it judges.
        num_others = 3 + self.served_model_judges
        if self.rollout.keep_loaded + num_others > self.engine.max_cpu_loras:
            raise ValueError(
                "rollout.keep_loaded does not fit: engine.max_cpu_loras must be at least "
                f"rollout.keep_loaded + {num_others}"
            )
        return self
