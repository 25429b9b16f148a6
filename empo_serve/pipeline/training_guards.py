"""Guards that look at what the updates of one lineage showed."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from empo_serve.config import GuardsSection
from empo_serve.pipeline.guard_facts import TrainingFacts, UpdateFacts
from empo_serve.pipeline.trip import COMPARE, MIN_UPDATES, RECENT, Trip, entropy_trip, known
from empo_serve.types import Guard


def check_training(section: GuardsSection, training: TrainingFacts) -> Iterator[Trip]:
    updates = training.updates
    if 0 < section.max_not_finite <= training.not_finite:
        yield Trip(
            Guard.NOT_FINITE,
            training.not_finite,
            section.max_not_finite,
            f"{training.not_finite} updates failed on a number that is not finite",
            "Read updates/<id>/train.log. Lower train.learning_rate, or use another model.dtype, "
            "restart, and resume.",
        )
    if 0 < section.max_updates <= len(updates):
        yield Trip(
            Guard.UPDATES,
            len(updates),
            section.max_updates,
            f"{len(updates)} updates since v0 or the last resume, as many as guards.max_updates "
            "allows",
            COMPARE + "Resuming grants as many updates again.",
        )
    yield from _kl(section, training)
    yield from _gradient(section, updates)
    yield from _mismatch(section, updates)
    yield from _trainer_entropy(section, updates)


def _kl(section: GuardsSection, training: TrainingFacts) -> Iterator[Trip]:
    spent = known(u.kl for u in training.updates)
    limit = training.kl_before + section.max_kl
    if section.max_kl and spent and spent[-1] > limit:
        yield Trip(
            Guard.KL,
            spent[-1],
            limit,
            f"the KL divergence to the base model is {spent[-1]:.2f} nats per token "
            f"(limit {limit:.2f})",
            COMPARE
            + "Raise train.beta or lower train.learning_rate. Resuming grants the same budget "
            "again; going back to v0 (empo-serve adapters promote v0) starts a new lineage.",
        )


def _gradient(section: GuardsSection, updates: Sequence[UpdateFacts]) -> Iterator[Trip]:
    norms = known(u.grad_norm for u in updates)
    if not section.max_gradient_factor or len(norms) <= MIN_UPDATES:
        return
    median = statistics.median(norms[:-1])
    limit = section.max_gradient_factor * median
    if norms[-1] > limit:
        yield Trip(
            Guard.GRADIENT,
            norms[-1],
            limit,
            f"the last update has a gradient norm of {norms[-1]:.2g}, the median of its lineage is "
            f"{median:.2g} (limit {limit:.2g})",
            "Look at the groups of that update (updates/<id>/groups.jsonl) for odd ones. "
            + COMPARE
            + "Then lower train.learning_rate or train.max_grad_norm.",
        )


def _mismatch(section: GuardsSection, updates: Sequence[UpdateFacts]) -> Iterator[Trip]:
    """Do the engine and the trainer compute the same model? Stale samples differ by right, so only
    updates without any are compared by the difference."""
    fresh = known(u.logprob_difference for u in updates if u.staleness == 0)[-RECENT:]
    limit = section.max_logprob_difference
    advice = (
        "The engine and the trainer disagree about the same tokens, so updates are not what they "
        "claim to be. See that both have the same model files and model.dtype, and that "
    )
    if limit and len(fresh) == RECENT and min(fresh) > limit:
        yield Trip(
            Guard.MISMATCH,
            fresh[-1],
            limit,
            f"the log-probabilities of trainer and engine differ by {fresh[-1]:.3f} nats in the "
            f"mean, {RECENT} updates in a row (limit {limit:.3f})",
            advice + "nothing else changes the engine's sampling.",
        )
        return
    sizes = known(u.effective_sample_size for u in updates)[-RECENT:]
    least = section.min_effective_sample_size
    if len(sizes) == RECENT and max(sizes) < least:
        yield Trip(
            Guard.MISMATCH,
            sizes[-1],
            least,
            f"only {sizes[-1]:.0%} of the tokens count in effect, {RECENT} updates in a row "
            f"(limit {least:.0%})",
            advice + "samples are not too old (lower train.max_staleness).",
        )


def _trainer_entropy(section: GuardsSection, updates: Sequence[UpdateFacts]) -> Iterator[Trip]:
    """The exact entropy of the groups that were trained on, where the trainer says it."""
    entropies = known(u.token_entropy for u in updates)
    if len(entropies) < 2 * RECENT:
        return
    before, now = statistics.median(entropies[:RECENT]), statistics.median(entropies[-RECENT:])
    if now < section.min_token_entropy * before:
        limit = section.min_token_entropy * before
        yield entropy_trip(now, limit, before, "the groups that are trained on")
