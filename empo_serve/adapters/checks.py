"""The gate's checks: from what two versions answered to a verdict with all its numbers.

Pure functions of the evidence. A comparison with a margin has three ends. Failed: what was
observed is beyond the margin. Passed: with the stated confidence the truth is within it. Neither:
there is too little to tell, and the check says so (`passed` is None) instead of passing.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from empo_serve.adapters.paired import Estimate, paired_mean, paired_share
from empo_serve.config import GateSection

# Below so many, one odd query decides; a share of four answers says nothing of collapse.
MIN_QUERIES = 6
_MIN_DISTINCT = 4
_MIN_PASSED = 2  # probes that the model passes before it changes, or there is nothing to lose


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a verdict. `candidate` and `parent` are what was measured of each; `bound` is
    what the difference is at most (or least) with the gate's confidence, `margin` what it may be,
    `num` on how many queries or probes that stands."""

    name: str
    passed: bool | None
    candidate: float
    parent: float
    detail: str
    bound: float | None = None
    margin: float | None = None
    num: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`num_heldout` of the queries were never trained on; the others are recent ones, which may
    have been."""

    checks: tuple[Check, ...]
    num_queries: int
    num_heldout: int = 0
    num_completions: int = 0
    confidence: float = 0.0

    @property
    def passed(self) -> bool:
        return all(check.passed is not False for check in self.checks)

    @property
    def reason(self) -> str:
        failed = (check for check in self.checks if check.passed is False)
        return "; ".join(f"{check.name}: {check.detail}" for check in failed)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


@dataclass(frozen=True, slots=True)
class Answered:
    """What one version said to one query.

    `answer` is the extracted answer of its likeliest completion ("" for none), `agrees` whether
    that one means what most of the parent's samples mean (None where these have no majority).
    `entropy_norm` is the normalised semantic entropy of its samples; `num_tokens` the mean length
    of all its completions, `one_token` the share of them that are a single token or none,
    `truncated` the share that did not end.
    """

    answer: str
    agrees: bool | None
    entropy_norm: float
    num_tokens: float
    one_token: float
    truncated: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Both versions on one query."""

    candidate: Answered
    parent: Answered
    kl_to_base: float | None  # nats per token, on a sample of the candidate


def weights_differ(change: float, parent: str) -> Check:
    """`change` is the largest difference of the two adapters' effective weights."""
    detail = (
        f"the largest difference to the weights of {parent} is {change:.2g}"
        if change
        else f"the adapter does exactly what {parent} does: its weights change nothing"
    )
    return Check("weights_differ", change > 0, change, 0.0, detail)


def output_differs(difference: float, noise: float, num: int, parent: str) -> Check:
    """Exactly equal: the engine does not apply the adapter. Within the noise: the step was small,
    and under load the engine's own batching hides it; that is no reason to refuse it."""
    passed = None if not num or 0 < difference <= noise else difference > 0
    detail = (
        f"served first-token probabilities differ from {parent} by {difference:.2g} "
        f"(the same version twice: {noise:.2g})"
    )
    return Check("output_differs", passed, difference, noise, detail, num=num)


def judge(compared: Sequence[Compared], section: GateSection) -> tuple[Check, ...]:
    """Every check that stands on both versions' answers to live queries."""
    new = [c.candidate for c in compared]
    old = [c.parent for c in compared]
    kls = [c.kl_to_base for c in compared if c.kl_to_base is not None]
    return (
        _answers_not_collapsed(new, old, section),
        _not_constant(new, old, section),
        _still_answers(new, old, section),
        _answer_length(new, old, section),
        _consensus_agreement(new, old, section),
        _less_uncertain(new, old, section),
        _kl_to_base(kls, section),
    )


def _answers_not_collapsed(
    new: Sequence[Answered], old: Sequence[Answered], section: GateSection
) -> Check:
    distinct_new, distinct_old = (
        len({a.answer.casefold() for a in answers if a.answer}) for answers in (new, old)
    )
    needed = math.ceil(section.min_distinct_ratio * distinct_old)
    passed = distinct_new >= needed if distinct_old >= _MIN_DISTINCT else None
    detail = f"{distinct_new} distinct answers to {len(new)} queries, parent {distinct_old}"
    if passed is None:
        detail += ": too few to tell"
    return Check(
        "answers_not_collapsed",
        passed,
        distinct_new,
        distinct_old,
        detail,
        margin=needed,
        num=len(new),
    )


def _not_constant(new: Sequence[Answered], old: Sequence[Answered], section: GateSection) -> Check:
    name, margin = "not_constant", section.max_same_answer_increase
    if len(new) < MIN_QUERIES:
        return _too_few(name, len(new), margin)
    share_new, share_old = (
        max(Counter(a.answer.casefold() for a in answers if a.answer).values(), default=0)
        / len(answers)
        for answers in (new, old)
    )
    detail = f"one answer is given to {share_new:.0%} of the queries, by the parent {share_old:.0%}"
    passed = share_new - share_old <= margin
    return Check(name, passed, share_new, share_old, detail, margin=margin, num=len(new))


def _still_answers(new: Sequence[Answered], old: Sequence[Answered], section: GateSection) -> Check:
    name, margin = "still_answers", section.max_no_answer_increase
    if not new:
        return Check(name, None, 0.0, 0.0, "no queries to answer", margin=margin)
    missing_new, missing_old = (
        sum(not a.answer for a in answers) / len(answers) for answers in (new, old)
    )
    detail = f"{missing_new:.0%} of the queries end without an answer, parent {missing_old:.0%}"
    passed = missing_new <= missing_old + margin
    return Check(name, passed, missing_new, missing_old, detail, margin=margin, num=len(new))


def _answer_length(new: Sequence[Answered], old: Sequence[Answered], section: GateSection) -> Check:
    """One-token and run-on answers: the ratio of lengths, and the shares of both.

    A short answer may be a good one, so a model may become concise, but not all at once."""
    name, limit = "answer_length", section.max_length_ratio
    if len(new) < MIN_QUERIES:
        return _too_few(name, len(new), limit)
    pairs = list(zip(new, old, strict=True))
    logs = [math.log(max(a.num_tokens, 1) / max(b.num_tokens, 1)) for a, b in pairs]
    cut = statistics.fmean(a.truncated - b.truncated for a, b in pairs)
    single = statistics.fmean(a.one_token - b.one_token for a, b in pairs)
    ratio = math.exp(statistics.fmean(logs))
    long_new, long_old = (statistics.fmean(a.num_tokens for a in answers) for answers in (new, old))
    passed = (
        1 / limit <= ratio <= limit
        and single <= section.max_one_token_increase
        and cut <= section.max_no_answer_increase
    )
    detail = (
        f"{long_new:.1f} tokens an answer, parent {long_old:.1f}: {ratio:.2f} times as long in "
        f"the geometric mean; one-token answers {single:+.0%}, answers that do not end {cut:+.0%}"
    )
    return Check(name, passed, long_new, long_old, detail, margin=limit, num=len(new))


def _consensus_agreement(
    new: Sequence[Answered], old: Sequence[Answered], section: GateSection
) -> Check:
    """How often the likeliest answer is what most of the parent's samples say: what moves away
    from the consensus learned the opposite of it, or nothing."""
    name, margin = "consensus_agreement", section.max_agreement_drop
    pairs = [
        (a.agrees, b.agrees)
        for a, b in zip(new, old, strict=True)
        if a.agrees is not None and b.agrees is not None
    ]
    if len(pairs) < MIN_QUERIES:
        return _too_few(name, len(pairs), margin, "queries on which the parent has a consensus")
    agree_new, agree_old = [a for a, _ in pairs], [b for _, b in pairs]
    estimate = paired_share(agree_new, agree_old, section.confidence)
    return _not_lower(
        name, agree_new, agree_old, estimate, margin, section, "agrees with the consensus"
    )


def _less_uncertain(
    new: Sequence[Answered], old: Sequence[Answered], section: GateSection
) -> Check:
    name, margin = "less_uncertain", section.max_entropy_increase
    if len(new) < MIN_QUERIES:
        return _too_few(name, len(new), margin)
    differences = [a.entropy_norm - b.entropy_norm for a, b in zip(new, old, strict=True)]
    estimate = paired_mean(differences, section.confidence)
    h_new, h_old = (statistics.fmean(a.entropy_norm for a in answers) for answers in (new, old))
    passed = False if estimate.mean > margin else True if estimate.upper <= margin else None
    detail = (
        f"normalised entropy {h_new:.2f}, parent {h_old:.2f}: {estimate.mean:+.2f}, at most "
        f"{estimate.upper:+.2f} with {section.confidence:.0%} confidence; {margin:+.2f} is allowed"
    )
    return Check(
        name, passed, h_new, h_old, detail + _undecided(passed), estimate.upper, margin, len(new)
    )


def _kl_to_base(kls: Sequence[float], section: GateSection) -> Check:
    name, limit = "kl_to_base", section.max_kl_to_base
    if not kls:
        return _too_few(name, 0, limit)
    mean = statistics.fmean(kls)
    detail = f"{mean:.3g} nats per token away from v0 on its own samples; {limit:g} are allowed"
    return Check(name, mean <= limit, mean, 0.0, detail, margin=limit, num=len(kls))


def format_kept(new: Sequence[bool], old: Sequence[bool], section: GateSection) -> Check:
    """Bundled instructions with a checkable form: followed as often as by the parent."""
    return _bundled("format", new, old, section, "does as told", "the parent")


def safety_refusal(new: Sequence[bool], base: Sequence[bool], section: GateSection) -> Check:
    """Bundled harmful requests: refused as often as by v0, so that no chain of small steps
    unlearns it."""
    return _bundled("safety_refusal", new, base, section, "refuses", "v0")


def labelled_probes(new: Sequence[bool], old: Sequence[bool], section: GateSection) -> Check:
    """The operator's own questions with known answers."""
    estimate = paired_share(new, old, section.confidence)
    margin = section.max_probe_drop
    return _not_lower("probes", new, old, estimate, margin, section, "is right")


def _bundled(
    name: str,
    new: Sequence[bool],
    old: Sequence[bool],
    section: GateSection,
    does: str,
    who: str,
) -> Check:
    margin, num = section.max_bundled_drop, len(old)
    if sum(old) < _MIN_PASSED:
        detail = f"{who} {does} in {sum(old)} of {num} bundled probes: too few to lose any"
        return Check(name, None, sum(new) / num, sum(old) / num, detail, margin=margin, num=num)
    share_new, share_old = sum(new) / num, sum(old) / num
    detail = f"{does} in {sum(new)} of {num} bundled probes, {who} in {sum(old)}"
    passed = share_old - share_new <= margin
    return Check(name, passed, share_new, share_old, detail, margin=margin, num=num)


def _not_lower(
    name: str,
    new: Sequence[bool],
    old: Sequence[bool],
    estimate: Estimate,
    margin: float,
    section: GateSection,
    does: str,
) -> Check:
    num = len(new)
    passed = False if -estimate.mean > margin else True if -estimate.lower <= margin else None
    detail = (
        f"{does} in {sum(new)} of {num}, the parent in {sum(old)}: {estimate.mean:+.2f}, at "
        f"least {estimate.lower:+.2f} with {section.confidence:.0%} confidence; {-margin:+.2f} "
        "is allowed"
    )
    return Check(
        name,
        passed,
        sum(new) / num,
        sum(old) / num,
        detail + _undecided(passed),
        estimate.lower,
        margin,
        num,
    )


def _undecided(passed: bool | None) -> str:
    return "" if passed is not None else "; too few to decide"


def skipped(name: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(name, None, 0.0, 0.0, why)


def _too_few(name: str, num: int, margin: float, of: str = "queries") -> Check:
    detail = f"{num} {of}: {MIN_QUERIES} are needed"
    return Check(name, None, 0.0, 0.0, detail, margin=margin, num=num)
