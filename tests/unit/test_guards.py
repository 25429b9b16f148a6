"""Each guard trips on the run that it is there for, and none on a healthy one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from empo_serve.config import GuardsSection
from empo_serve.pipeline.guard_facts import (
    GroupFacts,
    TrainingFacts,
    UpdateFacts,
    Window,
    group_facts,
    refuses,
    summarise,
    update_facts,
)
from empo_serve.pipeline.guards import check
from empo_serve.types import Guard

SECTION = GuardsSection()
NUM = SECTION.window
NO_TRAINING = TrainingFacts()


def groups(seed: int = 0, num: int = NUM, **fields: Any) -> list[GroupFacts]:
    """Groups of different prompts with answers of their own. A share is drawn group by group."""
    rng = random.Random(seed)
    shares = {"unanimous": 0.3, "refused": 0.02, "no_answer": 0.05, "truncated": 0.1} | fields
    made = []
    for number in range(num):
        drawn = {k: rng.random() < v for k, v in shares.items() if k in SHARES}
        given = {k: v for k, v in fields.items() if k not in SHARES}
        made.append(
            replace(
                GroupFacts((number,), f"answer {number}", False, 9.0, 0.8, 0.0, 0.0, 0.0),
                unanimous=drawn["unanimous"],
                **{k: float(drawn[k]) for k in SHARES if k != "unanimous"},
                **given,
            )
        )
    return made


SHARES = ("unanimous", "refused", "no_answer", "truncated")


def tripped(
    baseline: Sequence[GroupFacts] | None,
    recent: Sequence[GroupFacts] | None,
    training: TrainingFacts = NO_TRAINING,
    **settings: Any,
) -> list[Guard]:
    section = GuardsSection(**settings)
    windows = [summarise(window) if window is not None else None for window in (baseline, recent)]
    return [trip.guard for trip in check(section, windows[0], windows[1], training)]


def lineage(**columns: Sequence[float | None]) -> TrainingFacts:
    """Updates with these numbers, a column each."""
    num = max(len(column) for column in columns.values())
    rows = [{name: column[i] for name, column in columns.items()} for i in range(num)]
    return TrainingFacts(tuple(UpdateFacts(i + 1, **row) for i, row in enumerate(rows)))


@pytest.mark.parametrize("seed", range(20))
def test_none_trips_where_nothing_changes_but_the_sample(seed: int) -> None:
    assert tripped(groups(seed), groups(1000 + seed)) == []
    assert tripped(groups(seed), groups(1000 + seed, num=NUM // 2)) == []


@pytest.mark.parametrize("seed", range(20))
def test_none_trips_on_a_run_that_learns(seed: int) -> None:
    """Ten updates that take accuracy from 0.53 to 0.77: the semantic entropy goes from 1.3 to 0.15
    nats, answers become shorter and end, and the KL reaches 1.6 nats."""
    rng = random.Random(seed)
    for update in range(1, 11):
        share = update / 10
        recent = groups(
            100 * seed + update,
            unanimous=0.25 + 0.55 * share,
            length=9.0 - 5.0 * share,
            surprise=0.8 * (1 - 0.85 * share),
            truncated=0.1 - 0.08 * share,
        )
        training = lineage(
            grad_norm=[0.3 * rng.uniform(0.7, 1.4) for _ in range(update)],
            kl=[0.16 * i for i in range(1, update + 1)],
            logprob_difference=[0.02] * update,
            staleness=[0.0] * update,
            effective_sample_size=[0.9] * update,
            token_entropy=[0.8 * (1 - 0.085 * i) for i in range(update)],
        )
        assert tripped(groups(seed, unanimous=0.25), recent, training) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_fall_that_follows_is_stopped(seed: int) -> None:
    """Updates 11 to 20 of the same run: entropy 0.15 to 0.05 nats, the few groups that are left are
    trained on over and over, and the gradient norm rises from 0.3 to 1.4."""
    norms = [0.3] * 10
    for update in range(11, 21):
        share = (update - 10) / 10
        norms.append(0.3 + 1.1 * share)
        recent = groups(100 * seed + update, unanimous=0.8 + 0.15 * share, surprise=0.1)
        if trips := tripped(groups(seed, unanimous=0.25), recent, lineage(grad_norm=norms)):
            assert set(trips) <= {Guard.UNANIMITY, Guard.EXHAUSTION}
            assert update <= 16
            return
    pytest.fail("nothing stopped it")


def test_unanimity_trips_when_hardly_a_group_has_two_meanings() -> None:
    assert Guard.UNANIMITY in tripped(groups(), groups(1, unanimous=1.0))
    assert tripped(groups(), groups(1, unanimous=1.0), min_disagreement=0) == []


@pytest.mark.parametrize("num_disagreeing", [0, 1, 3, 5])
def test_unanimity_does_not_trip_on_traffic_that_was_easy_from_the_start(
    num_disagreeing: int,
) -> None:
    """A window without any disagreement comes by chance, sooner or later."""
    easy = [replace(g, unanimous=i >= num_disagreeing) for i, g in enumerate(groups())]
    for num in (NUM // 2, NUM):
        assert tripped(easy, groups(1, num=num, unanimous=1.0)) == []


def test_exhaustion_needs_both_few_groups_that_disagree_and_rising_gradients() -> None:
    few = groups(1, unanimous=0.85)
    rising = lineage(grad_norm=[0.3] * 6 + [0.8, 0.9, 1.0])
    assert tripped(groups(), few, rising) == [Guard.EXHAUSTION]
    assert tripped(groups(), few, lineage(grad_norm=[0.3] * 9)) == []
    assert tripped(groups(), groups(1), rising) == []
    assert tripped(groups(), few, rising, max_gradient_rise=0) == []


def test_one_answer_to_every_prompt_trips() -> None:
    """A hacked run: the reward is highest when everybody hears the same."""
    same = [replace(g, answer="it depends") for g in groups(1)]
    assert tripped(groups(), same) == [Guard.CONSTANT_ANSWER]
    assert tripped(groups(), same, max_top_answer_increase=1) == []


def test_yes_or_no_traffic_has_a_top_answer_by_nature_until_only_one_is_left() -> None:
    def yes_no(yes: int) -> list[GroupFacts]:
        return [replace(g, answer="no" if i >= yes else "yes") for i, g in enumerate(groups(yes))]

    assert tripped(yes_no(NUM // 2), yes_no(NUM * 5 // 8)) == []
    assert tripped(yes_no(NUM // 2), yes_no(NUM)) == [Guard.CONSTANT_ANSWER]


def test_one_popular_prompt_is_no_constant_answer() -> None:
    popular = [replace(g, prompt=(0,), answer="paris") for g in groups(1)]
    assert tripped(groups(), popular) == []


@pytest.mark.parametrize("length", [1.0, 2.0, 40.0])
def test_answers_that_become_much_shorter_or_longer_trip(length: float) -> None:
    changed = [replace(g, length=length) for g in groups(1)]
    assert tripped(groups(), changed) == [Guard.ANSWER_LENGTH]
    assert tripped(groups(), changed, max_length_factor=0) == []


@pytest.mark.parametrize(
    ("guard", "field", "off"),
    [
        (Guard.REFUSALS, "refused", "max_refusal_increase"),
        (Guard.NO_ANSWERS, "no_answer", "max_no_answer_increase"),
        (Guard.TRUNCATION, "truncated", "max_truncation_increase"),
    ],
)
def test_a_rate_that_rises_trips(guard: Guard, field: str, off: str) -> None:
    risen = groups(1, **{field: 0.6})
    assert tripped(groups(), risen) == [guard]
    assert tripped(groups(), risen, **{off: 1}) == []


def test_token_entropy_has_a_floor_in_the_traffic_and_in_training() -> None:
    frozen = [replace(g, surprise=0.02) for g in groups(1)]
    assert tripped(groups(), frozen) == [Guard.TOKEN_ENTROPY]
    assert tripped(groups(), frozen, min_token_entropy=0) == []
    falling = lineage(token_entropy=[0.8, 0.7, 0.6, 0.03, 0.02, 0.01])
    assert tripped(None, None, falling) == [Guard.TOKEN_ENTROPY]
    assert tripped(None, None, lineage(token_entropy=[0.8, 0.7, 0.6, 0.3, 0.2, 0.1])) == []


def test_the_kl_budget_counts_from_what_was_accepted() -> None:
    spent = lineage(kl=[0.8, 2.0, 3.1])
    assert tripped(None, None, spent) == [Guard.KL]
    assert tripped(None, None, replace(spent, kl_before=1.0)) == []
    assert tripped(None, None, spent, max_kl=0) == []
    assert tripped(None, None, lineage(kl=[None, None])) == []


def test_the_budget_of_updates_is_off_unless_it_is_set() -> None:
    many = lineage(grad_norm=[0.3] * 500)
    assert tripped(None, None, many) == []
    assert tripped(None, None, many, max_updates=500) == [Guard.UPDATES]
    assert tripped(None, None, many, max_updates=501) == []


def test_a_gradient_far_above_its_lineage_trips() -> None:
    assert tripped(None, None, lineage(grad_norm=[0.3] * 5 + [4.0])) == [Guard.GRADIENT]
    assert tripped(None, None, lineage(grad_norm=[0.3] * 5 + [4.0]), max_gradient_factor=0) == []
    assert tripped(None, None, lineage(grad_norm=[0.3] * 5 + [0.9])) == []
    assert tripped(None, None, lineage(grad_norm=[0.3, 4.0])) == []  # two say nothing


def test_updates_that_fail_on_nan_trip_at_the_second() -> None:
    assert tripped(None, None, TrainingFacts(not_finite=1)) == []
    assert tripped(None, None, TrainingFacts(not_finite=2)) == [Guard.NOT_FINITE]
    assert tripped(None, None, TrainingFacts(not_finite=9), max_not_finite=0) == []


def test_a_trainer_that_disagrees_with_the_engine_trips() -> None:
    apart = lineage(logprob_difference=[0.02, 0.3, 0.3, 0.3], staleness=[0.0] * 4)
    assert tripped(None, None, apart) == [Guard.MISMATCH]
    assert tripped(None, None, apart, max_logprob_difference=0) == []
    once = lineage(logprob_difference=[0.02, 0.3, 0.02], staleness=[0.0] * 3)
    assert tripped(None, None, once) == []
    few = lineage(effective_sample_size=[0.9, 0.3, 0.3, 0.3])
    assert tripped(None, None, few) == [Guard.MISMATCH]
    assert tripped(None, None, few, min_effective_sample_size=0) == []


def test_stale_samples_may_differ_for_they_came_from_another_version() -> None:
    stale = lineage(logprob_difference=[0.3] * 4, staleness=[1.5] * 4)
    assert tripped(None, None, stale) == []


def test_switched_off_nothing_trips() -> None:
    ruined = groups(1, unanimous=1.0, no_answer=1.0)
    assert tripped(groups(), ruined, TrainingFacts(not_finite=9), enabled=False) == []


def test_without_enough_groups_only_training_is_judged() -> None:
    assert tripped(groups(), None) == []
    assert tripped(None, groups(1, no_answer=1.0)) == []


HACKS: dict[Guard, Callable[[], list[Any]]] = {
    Guard.UNANIMITY: lambda: check(
        SECTION, summarise(groups()), summarise(groups(1, unanimous=1.0)), NO_TRAINING
    ),
    Guard.NOT_FINITE: lambda: check(SECTION, None, None, TrainingFacts(not_finite=2)),
}


@pytest.mark.parametrize("guard", HACKS)
def test_a_trip_says_what_is_wrong_and_what_to_do_and_fits_into_json(guard: Guard) -> None:
    (trip,) = HACKS[guard]()
    assert trip.guard is guard
    assert trip.message
    assert trip.advice.endswith(".")
    assert json.loads(json.dumps(trip.as_dict()))["guard"] == guard.value


def test_a_baseline_comes_back_from_the_database_as_it_was() -> None:
    for window in (summarise(groups()), summarise(groups(num=2))):
        stored = json.loads(json.dumps(window.as_dict()))
        assert Window.from_dict(stored) == window


def sample(text: str, answer: str, finish: str = "stop", tokens: int = 4) -> dict[str, Any]:
    return {
        "text": text,
        "answer": answer,
        "finish_reason": finish,
        "token_ids": list(range(tokens)),
        "logprobs": [-0.5] * tokens,
    }


def test_the_facts_of_a_stored_group() -> None:
    row = {
        "prompt_token_ids": [7, 8],
        "num_clusters": 3,
        "semantic_ids": [0, 1, 1, 2],
        "samples": [
            sample("Rome.", "Rome"),
            sample("It is Paris.", "Paris."),
            sample("Paris", "paris", tokens=8),
            sample("The city of", "", "length"),
        ],
    }
    assert group_facts(row) == GroupFacts((7, 8), "paris", False, 5.0, 0.5, 0.0, 0.0, 0.25)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm sorry, but I cannot help with that.", True),
        ("Sorry. I can't answer this question.", True),
        ("As an AI, I am not able to say.", True),
        ("Paris. I cannot say more.", False),
        ("Paris", False),
        ("", False),
    ],
)
def test_what_counts_as_a_refusal(text: str, expected: bool) -> None:
    assert refuses(text) is expected


def test_an_update_of_an_older_trainer_lacks_numbers_but_not_all() -> None:
    row = {"update_id": 3, "metrics": {"grad_norm": 0.5, "kl": None}}
    assert update_facts(row) == UpdateFacts(3, grad_norm=0.5)
    assert update_facts({"update_id": 4, "metrics": None}) == UpdateFacts(4)
