"""What the guards look at: groups and updates, reduced to numbers. Pure; no text is kept."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from empo_serve.semantics.sentences import split_sentences
from empo_serve.semantics.speaker import is_chatter, is_refusal


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One sampled and scored group. Shares are of its samples.

    `prompt` tells equal prompts apart from different ones; `answer` is that of the largest
    cluster, "" for none; `length` is in tokens, `surprise` in nats per token: the mean of
    -logprob under the sampling distribution, an unbiased estimate of the token entropy.
    """

    prompt: tuple[int, ...]
    answer: str
    unanimous: bool
    length: float
    surprise: float
    refused: float
    no_answer: float
    truncated: float


@dataclass(frozen=True, slots=True)
class Mean:
    value: float
    error: float  # standard error; 0.0 where all values are the same


@dataclass(frozen=True, slots=True)
class Window:
    """Some groups of one lineage, in a row. `top_answer`: share of the different prompts that get
    the most frequent answer, None with too few prompts to say."""

    num_groups: int
    disagreement: Mean  # share of the groups with more than one meaning
    top_answer: Mean | None
    length: Mean
    surprise: Mean
    refused: Mean
    no_answer: Mean
    truncated: Mean

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Window:
        means = {k: v and Mean(**v) for k, v in stored.items() if k != "num_groups"}
        return cls(num_groups=stored["num_groups"], **means)


@dataclass(frozen=True, slots=True)
class UpdateFacts:
    """One published update. None: not known. `staleness` is the mean over its samples, in
    versions; entropies, differences and kl are in nats per token."""

    update_id: int
    grad_norm: float | None = None
    kl: float | None = None
    logprob_difference: float | None = None
    effective_sample_size: float | None = None
    staleness: float | None = None
    token_entropy: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """The updates of one lineage since the guards were last cleared, oldest first.

    `kl_before`: what had been spent before; `not_finite`: updates that failed on such a number.
    """

    updates: tuple[UpdateFacts, ...] = ()
    kl_before: float = 0.0
    not_finite: int = 0


_MIN_PROMPTS = 8  # fewer different prompts may well have one answer


def group_facts(row: Mapping[str, Any]) -> GroupFacts:
    """From a row of the table `groups`."""
    samples = row["samples"]
    logprobs = [logprob for s in samples for logprob in s["logprobs"]]
    by_cluster = Counter(
        i for i, s in zip(row["semantic_ids"], samples, strict=True) if s["answer"]
    )
    answer = ""
    if by_cluster:
        largest = by_cluster.most_common(1)[0][0]
        answer = samples[row["semantic_ids"].index(largest)]["answer"]
    truncated = [s["finish_reason"] == "length" for s in samples]
    return GroupFacts(
        prompt=tuple(row["prompt_token_ids"]),
        answer=answer.strip().strip(".!").casefold(),
        unanimous=row["num_clusters"] == 1,
        length=statistics.fmean(len(s["token_ids"]) for s in samples),
        surprise=-statistics.fmean(logprobs) if logprobs else 0.0,
        refused=statistics.fmean(refuses(s["text"]) for s in samples),
        # One that was cut has no answer either, but that is another sickness.
        no_answer=statistics.fmean(
            not s["answer"] and not cut for s, cut in zip(samples, truncated, strict=True)
        ),
        truncated=statistics.fmean(truncated),
    )


def refuses(text: str) -> bool:
    """Does the first sentence that says anything decline to answer?"""
    sentences = split_sentences(text)
    first = next((s for s in sentences if is_refusal(s) or not is_chatter(s)), "")
    return is_refusal(first)


def update_facts(row: Mapping[str, Any]) -> UpdateFacts:
    """From a row of the table `updates`."""
    metrics = row["metrics"] or {}
    return UpdateFacts(
        update_id=row["update_id"],
        grad_norm=metrics.get("grad_norm"),
        kl=metrics.get("kl"),
        logprob_difference=metrics.get("mean_abs_logprob_difference"),
        effective_sample_size=metrics.get("effective_sample_size"),
        staleness=metrics.get("staleness_mean"),
        token_entropy=metrics.get("token_entropy"),
    )


def summarise(groups: Sequence[GroupFacts]) -> Window:
    """The window of these groups, of which there must be at least one."""
    return Window(
        num_groups=len(groups),
        disagreement=mean([not g.unanimous for g in groups]),
        top_answer=_top_answer(groups),
        length=mean([g.length for g in groups]),
        surprise=mean([g.surprise for g in groups]),
        refused=mean([g.refused for g in groups]),
        no_answer=mean([g.no_answer for g in groups]),
        truncated=mean([g.truncated for g in groups]),
    )


def mean(values: Sequence[float]) -> Mean:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(statistics.fmean(values), error)


def _top_answer(groups: Sequence[GroupFacts]) -> Mean | None:
    """Each prompt counts once, with its latest answer."""
    answers = list({g.prompt: g.answer for g in groups}.values())
    if len(answers) < _MIN_PROMPTS:
        return None
    counts = Counter(answer for answer in answers if answer)
    top = counts.most_common(1)[0][0] if counts else None
    return mean([answer == top for answer in answers])
