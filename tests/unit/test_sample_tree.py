"""Samples drawn along the tree of known ones are samples of the model, with its probabilities."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.engine.drafts import Draft, Drafts
from empo_serve.engine.sample_tree import SampleTree, next_drafts

END = 0
MAX_TOKENS = 3

# A model: what comes after each beginning of an answer.
Model = dict[tuple[int, ...], dict[int, float]]


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Up to three tokens and an end after each beginning, with any probabilities."""
    model: Model = {}
    beginnings: list[tuple[int, ...]] = [()]
    for beginning in beginnings:
        weights = draw(st.lists(st.integers(1, 50), min_size=2, max_size=4))
        model[beginning] = {t: w / sum(weights) for t, w in enumerate(weights)}
        if len(beginning) < MAX_TOKENS - 1:
            beginnings += [(*beginning, t) for t in model[beginning] if t != END]
    return model


def write(model: Model, draft: Draft, rng: random.Random) -> Draft:
    """Go on with a draft as an engine would: it reports the probabilities after `logit_bias`."""
    drafts = Drafts("v0", 0)
    while draft.finish_reason is None:
        chances = {t: p for t, p in model[tuple(draft.token_ids)].items() if t not in draft.barred}
        token = rng.choices(list(chances), list(chances.values()))[0]
        is_last = len(draft.token_ids) == MAX_TOKENS - 1
        # A draft that left is asked for one token first, and so ends for its length.
        finish = "stop" if token == END else "length" if is_last or draft.barred else None
        drafts.add(
            "completions", event(token, chances[token] / sum(chances.values()), finish), [draft]
        )
        if is_last:
            draft.finish_reason = draft.finish_reason or "length"
    return draft


def event(token: int, probability: float, finish: str | None) -> dict[str, object]:
    text = "" if token == END else f"{token} "
    logprobs = {"token_logprobs": [math.log(probability)], "tokens": [text or "<end>"]}
    choice = {"index": 0, "text": text, "token_ids": [token], "logprobs": logprobs}
    return {"choices": [choice | {"finish_reason": finish}]}


def true_logprob(model: Model, draft: Draft) -> float:
    tokens = draft.token_ids
    return math.fsum(math.log(model[tuple(tokens[:i])][t]) for i, t in enumerate(tokens))


@given(models(), st.integers(0, 10**6))
def test_every_sample_has_the_probability_that_the_model_gives_it(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    drafts = [write(model, Draft(), rng) for _ in range(2)]
    for _ in range(10):
        drafts.append(write(model, SampleTree(drafts).sample(rng), rng))
    for draft in drafts:
        assert sum(draft.logprobs) == pytest.approx(true_logprob(model, draft), abs=1e-9)
        assert (
            draft.text
            == "".join(draft.pieces)
            == "".join(f"{t} " for t in draft.token_ids if t != END)
        )
        assert draft.finish_reason == ("stop" if draft.token_ids[-1] == END else "length")


@given(models(), st.integers(0, 10**6))
def test_the_mass_is_that_of_the_distinct_samples(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    drafts = [write(model, Draft(), rng) for _ in range(6)]
    distinct = {tuple(draft.token_ids): true_logprob(model, draft) for draft in drafts}
    assert SampleTree(drafts).mass == pytest.approx(sum(map(math.exp, distinct.values())))


def test_samples_by_the_tree_fall_as_the_model_s_own_do() -> None:
    model: Model = {
        (): {1: 0.7, 2: 0.2, END: 0.1},
        (1,): {END: 0.6, 1: 0.3, 2: 0.1},
        (2,): {END: 0.5, 1: 0.5},
        **{two: {END: 0.8, 1: 0.2} for two in ((1, 1), (1, 2), (2, 1))},
    }
    rng, num = random.Random(5), 40_000
    known = [write(model, Draft(), rng) for _ in range(3)]
    tree = SampleTree(known)
    drawn = [write(model, tree.sample(rng), rng) for _ in range(num)]
    counts = Counter(tuple(draft.token_ids) for draft in drawn)
    assert len(counts) == 9, "not every answer of the model"
    for draft in {tuple(draft.token_ids): draft for draft in drawn}.values():
        chance = math.exp(true_logprob(model, draft))
        spread = math.sqrt(num * chance * (1 - chance))
        assert abs(counts[tuple(draft.token_ids)] - num * chance) < 4.5 * spread
    repeated = sum(draft.is_repetition for draft in drawn)
    assert repeated == sum(counts[tokens] for tokens in {tuple(d.token_ids) for d in known})
    assert 0.3 < repeated / num == pytest.approx(tree.mass, abs=0.01)


def whole(text: str = "Paris", finish_reason: str = "stop") -> Draft:
    """A certain sample of two tokens."""
    return Draft(text, [7, END], [-1e-9, -1e-9], [text, ""], finish_reason)


def test_a_certain_sample_is_repeated() -> None:
    draft = SampleTree([whole()]).sample(random.Random(1))
    assert draft == replace(whole(), is_repetition=True)


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(Draft(), id="nothing"),
        pytest.param(replace(whole(), finish_reason=None), id="unfinished"),
        pytest.param(replace(whole(), finish_reason="abort"), id="aborted"),
        pytest.param(replace(whole(), text="Paris "), id="text that the pieces do not make"),
        pytest.param(
            Draft("Paris", [7], [-1e-9], ["Paris"], "stop"), id="an end that is not reported"
        ),
    ],
)
def test_what_is_not_known_is_never_repeated(draft: Draft) -> None:
    tree = SampleTree([draft])
    assert tree.mass == 0
    assert tree.sample(random.Random(1)) == Draft()


def sample_of(probability: float, token: int) -> Draft:
    return Draft("x", [token, END], [math.log(probability), 0.0], ["x", ""], "stop")


def test_the_tree_is_used_where_repetitions_are_likely_enough_in_growing_rounds() -> None:
    rng = random.Random(1)
    sure = [sample_of(0.99, 1)] * 2
    assert [d.is_repetition for d in next_drafts(sure, 6, rng)] == [True, True]
    assert [d.is_repetition for d in next_drafts(sure * 3, 2, rng)] == [True, True]
    unsure = [sample_of(0.09, 1), sample_of(0.09, 2)]
    assert next_drafts(unsure, 6, rng) == [Draft()] * 6


def test_a_sample_of_full_length_is_repeated_as_one() -> None:
    cut = Draft("a b", [7, 8], [-1e-9, -1e-9], ["a ", "b"], "length")
    assert SampleTree([cut]).sample(random.Random(1)).sample.is_truncated


@pytest.mark.parametrize(
    ("text", "shown", "pieces"),
    [
        ("a b", ["a", " b"], ["a", " b"]),
        ("a b", ["a", " b", "<|end|>"], ["a", " b", ""]),  # the end is shown, but no text
        ("a b", ["a", "b"], ["", ""]),  # spaces are lost, so whose they are is not known
        (" b", ["b"], [" b"]),
        ("", ["\ufffd"], [""]),  # a part of a character, held back
    ],
)
def test_text_is_told_apart_token_by_token_or_not_at_all(
    text: str, shown: list[str], pieces: list[str]
) -> None:
    drafts = Drafts("v0", 1)
    num = len(shown)
    logprobs = {"token_logprobs": [-1.0] * num, "tokens": shown}
    choice = {"index": 0, "text": text, "token_ids": [*range(num)], "logprobs": logprobs}
    assert drafts.add("completions", {"choices": [choice]}, drafts.drafts) == 0
    assert drafts.drafts[0].pieces == pieces
