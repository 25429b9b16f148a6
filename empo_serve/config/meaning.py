"""How answers are sampled, how they are grouped by meaning, and which groups are trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from empo_serve.config.section import Section


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
    max_concurrent: int = Field(8, ge=1)
    """Queries that are sampled at the same time."""
    queue_size: int = Field(256, ge=1)
    """Queries that may wait to be sampled; more are dropped and counted."""
    early_stop: bool = True
    """Stop sampling a query when the missing samples cannot bring it into the band. Only groups
    that are not trained on are cut short."""
    early_stop_risk: float = Field(0.0, ge=0, lt=1)
    """Stop already when the chance that they do is at most this, as estimated from the samples so
    far (docs/semantics.md). 0: only when it is impossible. For groups of up to 16."""
    reuse_known: bool = True
    """Draw further samples of a query along the tokens of its first ones, by their
    log-probabilities, and let the engine write only what leaves them, where repetitions are likely
    enough to pay. The samples are those of plain sampling (docs/semantics.md)."""
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
    """Wall clock for one comparison of mathematics; after it, its worker is killed and the
    group is not scored."""
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
