"""When to stop drawing: the samples that are missing would not get the group into the band.

Only groups that will not be trained on are cut short. An admitted one needs all its samples, so
"the decision" here is whether the band admits the group, not the reason why it does not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from empo_serve.buffer.band import decide, decide_by_sizes, entropy_norm
from empo_serve.config import BandSection
from empo_serve.types import BandDecision

# Prior weight of "an answer that nobody gave yet" and of "no answer", in samples: how much a
# group that has shown neither may still surprise.
NEW_ANSWER = 1.0
NO_ANSWER = 0.25

_MARGIN = 1e-9  # of an entropy, for floats


class EarlyStop:
    """Says, sample by sample, whether a group of `num_generations` can be given up.

    With `risk` 0 it is exact: a group is given up when no way in which the missing samples could
    fall gets it admitted. (They join clusters or form new ones. Where the equivalence is not
    transitive, a new sample may also make one of two clusters, which is not foreseen.)

    With more, when the chance of that is at most `risk`, by the posterior predictive of a Chinese
    restaurant process: the next sample joins a cluster of n in proportion to n, is a new answer in
    proportion to NEW_ANSWER, and has none in proportion to NO_ANSWER plus the samples without one.
    """

    def __init__(self, section: BandSection, num_generations: int, risk: float) -> None:
        self._section = section
        self._num_generations = num_generations
        self._risk = risk
        self._chances: dict[tuple[tuple[int, ...], int], float] = {}

    @cached_property
    def rounds(self) -> tuple[int, ...]:
        """How many samples there are to be after each round of drawing; the last is all.

        Quarters of the group, for an engine writes several samples at once for little more than
        one, and none before a group can be given up at all.
        """
        total = self._num_generations
        quarters = sorted({math.ceil(total * k / 4) for k in (1, 2, 3)} - {total})
        return (*(num for num in quarters if self._is_ever_hopeless(num)), total)

    def _is_ever_hopeless(self, num: int) -> bool:
        # The two extremes: nothing agrees, not even in having an answer; and all agree.
        return num > 1 and (
            self.is_hopeless(range(num), [""] * num) or self.is_hopeless([0] * num, ["a"] * num)
        )

    def is_hopeless(self, semantic_ids: Sequence[int], answers: Sequence[str]) -> bool:
        """Will the group, of which these are the clusters and answers so far, be rejected?

        Never true when the band would admit the samples so far, so the decision on a group that
        was cut short is always one of the rejections.
        """
        if decide(semantic_ids, answers, self._section) is BandDecision.ADMITTED:
            return False
        answered = Counter(i for i, answer in zip(semantic_ids, answers, strict=True) if answer)
        sizes = tuple(sorted(answered.values()))
        num_answerless = len(semantic_ids) - sum(sizes)
        if not self._may_be_admitted(sizes, num_answerless):
            return True
        return self._risk > 0 and self._chance(sizes, num_answerless) <= self._risk

    def _may_be_admitted(self, sizes: tuple[int, ...], num_answerless: int) -> bool:
        """False when no completion is admitted: its entropy lies between two extremes."""
        total = self._num_generations
        missing = total - sum(sizes) - num_answerless
        *others, largest = sizes or (0,)
        singles = [1] * num_answerless
        # Entropy is Schur-concave: all in the largest cluster is the least, all apart the most.
        least = [n for n in (*others, *singles, largest + missing) if n]
        most = [*sizes, *singles, *[1] * missing]
        return (
            largest + missing >= self._section.min_largest_cluster * total
            and entropy_norm(least) <= self._section.high + _MARGIN
            and entropy_norm(most) >= self._section.low - _MARGIN
        )

    def _chance(self, sizes: tuple[int, ...], num_answerless: int) -> float:
        """Posterior predictive probability that the band admits the whole group."""
        state = (sizes, num_answerless)
        if state not in self._chances:
            self._chances[state] = self._sum_over_next(sizes, num_answerless)
        return self._chances[state]

    def _sum_over_next(self, sizes: tuple[int, ...], num_answerless: int) -> float:
        num = sum(sizes) + num_answerless
        if num == self._num_generations:
            all_sizes = [*sizes, *[1] * num_answerless]
            decision = decide_by_sizes(all_sizes, max(sizes, default=0), self._section)
            return float(decision is BandDecision.ADMITTED)
        chance = NEW_ANSWER * self._chance((1, *sizes), num_answerless)
        chance += (NO_ANSWER + num_answerless) * self._chance(sizes, num_answerless + 1)
        for n, times in Counter(sizes).items():
            grown = list(sizes)
            grown[grown.index(n)] += 1
            chance += n * times * self._chance(tuple(sorted(grown)), num_answerless)
        return chance / (num + NEW_ANSWER + NO_ANSWER)
