"""The toy model: a small distribution over answers for each prompt, sampled token by token.

A prompt's answers form a tree of tokens with a probability at each branch, so every
log-probability that is reported is the one that was sampled from. A quarter of the prompts is
answered (almost) unanimously, half with a clear favourite, a quarter with no favourite at all.
An adapter moves the log-odds of the answers by an amount that depends on its weights only; one
whose product B·A is zero moves nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from empo_serve.engine.fake.adapters import Adapter
from empo_serve.engine.fake.tokenizer import (
    ANSWER_HEADER,
    ANSWER_WORDS,
    END,
    NEWLINE,
    VOCAB_SIZE,
    encode,
    token_text,
)

_STYLES: Final = (("The answer is {word}.", 0.5), ("{Word}.", 0.3), ("{word}", 0.2))
_SHIFT_NATS: Final = 0.8
# All tokens that are on no branch, together. Reported, so that the distribution covers the whole
# vocabulary as a real model's does, but too rare to be drawn.
_OFF_TREE: Final = 1e-6
_OFF_TREE_LOGPROB: Final = math.log(_OFF_TREE / VOCAB_SIZE)


@dataclass(slots=True)
class Node:
    """A place in the tree of answers; `mass` is the probability of all answers below it."""

    mass: float = 0.0
    children: dict[int, Node] = field(default_factory=dict)


def answer_tree(seed: int, adapter: Adapter, prompt: str) -> Node:
    """The distribution of the answers to `prompt`, as a tree of tokens; each path ends in END."""
    return _answer_tree(
        seed,
        adapter.digest,
        adapter.answer,
        adapter.shift,
        adapter.power,
        adapter.one_token,
        adapter.babble,
        prompt,
    )


@lru_cache(maxsize=512)
def _answer_tree(
    seed: int,
    digest: str,
    answer: str | None,
    shift: float,
    power: float,
    one_token: bool,
    babble: bool,
    prompt: str,
) -> Node:
    root = Node()
    if answer is not None:
        _add(root, answer, 1.0)
        return root
    words = _babble(digest, prompt) if babble else _word_weights(seed, digest, shift, prompt)
    for word, weight in words:
        for style, share in _STYLES:
            text = style.format(word=word, Word=word.capitalize())
            if one_token:
                text = token_text(encode(text)[0])
            _add(root, text, (weight * share) ** power)
    return root


def _babble(digest: str, prompt: str) -> list[tuple[str, float]]:
    rng = random.Random(f"{digest}|{prompt}")
    pairs = [" ".join(rng.sample(ANSWER_WORDS, 2)) for _ in range(12)]
    return [(pair, 1.0) for pair in pairs]


def prompt_logprobs(root: Node, prompt: Sequence[int]) -> list[float]:
    """The log-probability of each token of a prompt after its first. What is not the beginning of
    an answer is certain: the toy model has no opinion on questions."""
    question, begun = split_begun(list(prompt))
    logprobs, node = [0.0] * len(question), root
    for token in begun:
        logprobs.append(_logprobs(node, Sampling(1), True).get(token, _OFF_TREE_LOGPROB))
        node = node.children.get(token, root)
    return logprobs[1:]


def _word_weights(seed: int, digest: str, shift: float, prompt: str) -> list[tuple[str, float]]:
    rng = random.Random(f"{seed}|{prompt}")
    kind = rng.random()
    if kind < 0.25:
        weights = [0.999, 0.001]
    elif kind < 0.75:
        weights = [rng.uniform(0.6, 0.75), 0.2, 0.1, 0.05]
    else:
        weights = [rng.uniform(0.9, 1.0) for _ in range(12)]
    words = rng.sample(ANSWER_WORDS, len(weights))
    if digest:
        moves, most = random.Random(f"{digest}|{seed}|{prompt}"), shift * _SHIFT_NATS
        weights = [w * math.exp(moves.uniform(-most, most)) for w in weights]
    return list(zip(words, weights, strict=True))


def _add(root: Node, text: str, weight: float) -> None:
    node = root
    node.mass += weight
    for token in [*encode(text), END]:
        node = node.children.setdefault(token, Node())
        node.mass += weight


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample one sequence; the meaning of each field is vLLM's. `num_top` is None where
    no log-probabilities are wanted."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_tokens: int = 0
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    include_stop: bool = False
    num_top: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One sampled token. `text` is what it adds to the output: held back while it may turn out to
    begin a stop string. `top` is the sampled token, then the `num_top` likeliest others."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    text: str
    finish_reason: str | None = None
    stop_reason: str | int | None = None


def split_begun(prompt: list[int]) -> tuple[list[int], list[int]]:
    """A prompt's tokens, and those of an answer that it has begun after the assistant's header."""
    for end in range(len(prompt), len(ANSWER_HEADER) - 1, -1):
        if prompt[end - len(ANSWER_HEADER) : end] == ANSWER_HEADER:
            return prompt[:end], prompt[end:]
    return prompt, []


def generate(
    root: Node, sampling: Sampling, rng: random.Random, begun: Sequence[int] = ()
) -> Iterator[Step]:
    """Sample until the answer ends, a stop is met or `max_tokens` are there.

    An answer that may not end yet goes on with a new line and a further answer. One that is
    `begun` goes on from there, as a model's would.
    """
    hold_back = 0
    if sampling.stop and not sampling.include_stop:
        hold_back = max(map(len, sampling.stop)) - 1
    text, sent, node = "", 0, root
    for token in begun:
        node = node.children.get(token, root)
    for count in range(1, sampling.max_tokens + 1):
        may_end = not sampling.ignore_eos and count > sampling.min_tokens
        logprobs = _logprobs(node, sampling, may_end)
        token = _choose(logprobs, sampling.temperature, rng)
        node = node.children.get(token, root)
        finish: str | None = None
        stop_reason: str | int | None = None
        if token == END:
            finish = "stop"
        elif token in sampling.stop_token_ids and count > sampling.min_tokens:
            finish, stop_reason = "stop", token
        else:
            new = token_text(token)
            text += new
            met = _find_stop(text, len(new), sampling) if count > sampling.min_tokens else None
            if met is not None:
                finish, (stop_reason, text) = "stop", met
            elif count == sampling.max_tokens:
                finish = "length"
        until = len(text) if finish else max(sent, len(text) - hold_back)
        top = () if sampling.num_top is None else _top(logprobs, token, sampling.num_top)
        yield Step(token, logprobs[token], top, text[sent:until], finish, stop_reason)
        if finish:
            return
        sent = until


def _logprobs(node: Node, sampling: Sampling, may_end: bool) -> dict[int, float]:
    """Log-probabilities after temperature, top-k and top-p, likeliest first."""
    on_tree = math.log1p(-_OFF_TREE)
    masses = {t: c.mass for t, c in node.children.items() if may_end or t != END}
    for token, bias in sampling.logit_bias.items():
        mass = masses.get(token, node.mass * _OFF_TREE / VOCAB_SIZE)
        masses[token] = mass * math.exp(bias)
    if len(masses) <= 1:
        return {next(iter(masses), NEWLINE): on_tree}
    # Greedy decoding reports the distribution as it is, not the one with all mass on its mode.
    temperature = sampling.temperature or 1.0
    largest = max(masses.values())
    ranked = sorted(
        ((t, (m / largest) ** (1 / temperature)) for t, m in masses.items()), key=lambda i: -i[1]
    )
    if sampling.temperature:
        if sampling.top_k > 0:
            ranked = ranked[: sampling.top_k]
        ranked = _nucleus(ranked, sampling.top_p)
    log_total = math.log(sum(p for _, p in ranked))
    return {t: math.log(p) - log_total + on_tree for t, p in ranked if p > 0}


def _nucleus(ranked: list[tuple[int, float]], top_p: float) -> list[tuple[int, float]]:
    wanted = top_p * sum(p for _, p in ranked)
    covered = 0.0
    for i, (_, p) in enumerate(ranked):
        covered += p
        if covered >= wanted:
            return ranked[: i + 1]
    return ranked


def _choose(logprobs: dict[int, float], temperature: float, rng: random.Random) -> int:
    if temperature == 0 or len(logprobs) == 1:
        return next(iter(logprobs))
    return rng.choices(list(logprobs), [math.exp(lp) for lp in logprobs.values()])[0]


def _top(logprobs: dict[int, float], sampled: int, count: int) -> tuple[tuple[int, float], ...]:
    others = [item for item in logprobs.items() if item[0] != sampled]
    rank_of_sampled = list(logprobs).index(sampled)
    wanted = count - 1 if rank_of_sampled < count else count
    for token in range(VOCAB_SIZE):
        if len(others) >= wanted:
            break
        if token not in logprobs:
            others.append((token, _OFF_TREE_LOGPROB))
    return ((sampled, logprobs[sampled]), *others[: max(wanted, 0)])


def _find_stop(text: str, num_new: int, sampling: Sampling) -> tuple[str, str] | None:
    """The stop string that the newest characters complete, and the text that then remains."""
    for stop in sampling.stop:
        at = text.find(stop, max(0, len(text) - num_new - len(stop) + 1))
        if at >= 0:
            return stop, text[: at + len(stop)] if sampling.include_stop else text[:at]
    return None
