"""The guards: has learning gone wrong, or gone far enough? Pure: evidence in, verdicts out.

Rewards without labels rise, then fall (arXiv 2603.08660), so a server that runs for ever needs to
know when to stop. Each guard compares one number with one limit.
"""

from __future__ import annotations

from empo_serve.config import GuardsSection
from empo_serve.pipeline.group_guards import check_groups
from empo_serve.pipeline.guard_facts import TrainingFacts, Window
from empo_serve.pipeline.training_guards import check_training
from empo_serve.pipeline.trip import Trip


def check(
    section: GuardsSection,
    baseline: Window | None,
    recent: Window | None,
    training: TrainingFacts,
) -> list[Trip]:
    """The guards that trip. A window is None while it has too few groups."""
    if not section.enabled:
        return []
    trips = list(check_training(section, training))
    if baseline is not None and recent is not None:
        trips += check_groups(section, baseline, recent, training)
    return trips
