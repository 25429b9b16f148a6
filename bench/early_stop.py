"""What stopping early saves on real samples, and which decisions it changes.

Called by bench/cluster.py. Each block of `num_generations` samples of a question is a group; each
rule sees its samples one by one. "Changed" are groups that the rule gives up and the band would
have admitted, whole; "admitted per 100" is how many groups there are to train on for 100 samples
drawn, which is what the saving is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from samples import Asked, Drawn

from empo_serve.buffer.band import decide
from empo_serve.buffer.early_stop import EarlyStop
from empo_serve.config import Config
from empo_serve.engine.drafts import Draft
from empo_serve.engine.sample_tree import WORTHWHILE, SampleTree
from empo_serve.engine.sampler import FIRST_SAMPLES
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.entropy import normalized_entropy, semantic_entropy
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.scorer import Scorer
from empo_serve.types import BandDecision


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first samples of a group, as the server would see them."""

    samples: tuple[Drawn, ...]
    ids: list[int]
    answers: list[str]


_vocabulary: dict[str, int] = {}

# Says whether to stop here.
Rule = Callable[[Prefix], bool]


def replay(asked: Sequence[Asked], config: Config) -> None:
    total = config.sampling.num_generations
    groups = _groups(asked, config)
    decisions = [decide(g[-1].ids, g[-1].answers, config.band) for g in groups]
    counts = {d.value: decisions.count(d) for d in BandDecision if d in decisions}
    print(f"\nearly stop: {len(groups)} groups of {total}, {counts}")
    print(
        f"  {'rule':44} {'saved':>7} {'changed':>8} {'admitted per 100':>17} {'mean H / ln n':>14}"
    )
    exact = EarlyStop(config.band, total, 0)
    quarter = max(1, total // 4)
    rules: dict[str, tuple[Rule, int]] = {
        "all samples": (lambda prefix: False, total),
        "half, stop if unanimous": (lambda prefix: len(set(prefix.ids)) == 1, total // 2),
        "exact, one by one": (partial(_is_hopeless, exact), 1),
        "exact, in quarters (the default)": (partial(_is_hopeless, exact), quarter),
    }
    for risk in (0.02, 0.05, 0.1, 0.2) if total <= 16 else ():
        stop = EarlyStop(config.band, total, risk)
        for name, step in (("one by one", 1), ("in quarters", quarter)):
            rules[f"posterior predictive, risk {risk:g}, {name}"] = (
                partial(_is_hopeless, stop),
                step,
            )
    for risk in (0.05, 0.2):
        settled = partial(_is_settled, total=total, risk=risk)
        rules[f"unanimous, sequence probabilities, risk {risk:g}"] = (settled, 1)
    for name, (rule, step) in rules.items():
        _report(name, rule, step, groups, decisions)
    rejected = np.mean([d is not BandDecision.ADMITTED for d in decisions])
    print(
        f"  an oracle that gives up every rejected group after 2 samples saves "
        f"{rejected * (total - 2) / total:.1%}, after 1 sample {rejected * (total - 1) / total:.1%}"
    )
    _report_reuse(groups, exact)


def _groups(asked: Sequence[Asked], config: Config) -> list[list[Prefix]]:
    """For each group its prefixes of 1, 2, ... samples."""
    total = config.sampling.num_generations
    scorer = Scorer(config.semantics)
    groups = []
    try:
        for one in asked:
            answers = [
                "" if s.is_truncated else extract_answer(one.question, s.text) for s in one.samples
            ]
            for start in range(0, len(answers) - total + 1, total):
                group = []
                for end in range(start + 1, start + total + 1):
                    ids = semantic_ids(one.question, answers[start:end], scorer.equivalence)
                    group.append(Prefix(one.samples[start:end], ids, answers[start:end]))
                groups.append(group)
    finally:
        scorer.close()
    return groups


def _report(
    name: str,
    rule: Rule,
    step: int,
    groups: Sequence[Sequence[Prefix]],
    decisions: Sequence[BandDecision],
) -> None:
    drawn = changed = admitted = 0
    norms = []
    for group, decision in zip(groups, decisions, strict=True):
        ends = [num for num in range(2, len(group)) if num % step == 0 and rule(group[num - 1])]
        num = ends[0] if ends else len(group)
        is_admitted = decision is BandDecision.ADMITTED
        drawn += num
        changed += num < len(group) and is_admitted
        admitted += num == len(group) and is_admitted
        norms.append(normalized_entropy(semantic_entropy(group[num - 1].ids), num))
    saved = 1 - drawn / sum(len(group) for group in groups)
    print(
        f"  {name:44} {saved:7.1%} {changed / len(groups):8.1%} {100 * admitted / drawn:17.2f} "
        f"{np.mean(norms):14.3f}"
    )


def _is_settled(prefix: Prefix, total: int, risk: float) -> bool:
    """All agree, and the chance that one of the missing samples does not is at most `risk`.

    The texts drawn have known probabilities, whose sum the cluster cannot fall below; what is left
    agrees as a Chinese restaurant process of concentration 1 would.
    """
    if len(set(prefix.ids)) > 1 or not all(prefix.answers):
        return False
    known = min(1.0, math.fsum({s.tokens: math.exp(s.logprob) for s in prefix.samples}.values()))
    agree = [known + (1 - known) * n / (n + 1) for n in range(len(prefix.ids), total)]
    return 1 - math.prod(agree) <= risk


def _report_reuse(groups: Sequence[Sequence[Prefix]], exact: EarlyStop) -> None:
    """What the engine need not write if samples are drawn along known ones, as the server does.

    The recorded samples stand for the draws: one whose tokens are those of a known sample is a
    repetition, and of any other the tokens are written that come after the known ones. So no
    decision can differ from those of the exact rule.
    """
    num_samples = num_tokens = written = written_tokens = requests = 0
    for group in groups:
        drafts = [_draft(sample) for sample in group[-1].samples]
        num_samples += len(drafts)
        num_tokens += sum(len(draft.token_ids) for draft in drafts)
        have, known = 0, set[tuple[int, ...]]()
        for goal in exact.rounds:
            if have and _is_hopeless(exact, group[have - 1]):
                break
            while have < goal:
                pays = SampleTree(drafts[:have]).mass >= WORTHWHILE
                end = min(goal, 2 * have if pays else goal) if have else min(goal, FIRST_SAMPLES)
                new = [
                    _beginnings(draft) - (known if pays else set()) for draft in drafts[have:end]
                ]
                written += sum(map(bool, new))
                written_tokens += sum(map(len, new))
                # One with the known tokens barred, one for the rest.
                requests += sum(min(2, len(tokens)) if pays else 1 for tokens in new)
                known = known.union(*map(_beginnings, drafts[have:end]))
                have = end
    print(
        f"  exact, in quarters, and known samples reused: {1 - written / num_samples:.1%} of the "
        f"samples not written, {1 - written_tokens / num_tokens:.1%} of the tokens; "
        f"{requests / num_samples:.2f} requests for a sample"
    )


def _draft(sample: Drawn) -> Draft:
    """A finished sample as the server knows it; texts stand for token ids."""
    token_ids = [_vocabulary.setdefault(token, len(_vocabulary)) for token in sample.tokens]
    pieces = [*sample.tokens] if sample.is_truncated else [*sample.tokens[:-1], ""]
    finish_reason = "length" if sample.is_truncated else "stop"
    return Draft("".join(pieces), token_ids, [*sample.logprobs], pieces, finish_reason)


def _beginnings(draft: Draft) -> set[tuple[int, ...]]:
    return {tuple(draft.token_ids[:end]) for end in range(1, len(draft.token_ids) + 1)}


def _is_hopeless(stop: EarlyStop, prefix: Prefix) -> bool:
    return stop.is_hopeless(prefix.ids, prefix.answers)
