"""Rewards from agreement: a sample is worth the share of its group that means the same.

EMPO, "Right Question is Already Half the Answer" (arXiv 2504.05812), section 3.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

RewardKind = Literal["prob", "logprob", "loo", "majority", "random"]


def empo_rewards(
    semantic_ids: Sequence[int],
    answers: Sequence[str],
    kind: RewardKind = "prob",
    empty_reward: float = -0.5,
    *,
    copies: Sequence[bool] = (),
    seed: int | str = 0,
) -> list[float]:
    """Reward of each of the G samples of one group, in the order given.

    With n samples in the cluster of sample i:

    - "prob": n / G, the reward of EMPO. Ascends the sum of squared cluster probabilities.
    - "logprob": ln(n / G). Descends the semantic entropy itself.
    - "loo": (n - 1) / (G - 1), leave-one-out: agreement of the others with this sample.
    - "majority": 1 in a largest cluster (ties: each of them), else 0. As in TTRL.
    - "random": uniform in [0, 1) from `seed`; the control that must not improve anything.

    When no two answers agree there is no evidence, and "prob" and "logprob" give 0 to all of
    them, as the reference implementation of EMPO does.

    `answers[i] == ""` means that sample i has no answer. It belongs to no cluster, whatever its
    semantic id says, and gets `empty_reward` under every kind.

    `copies[i]` means that sample i only repeats the question. It counts in its cluster, but gets
    the least that an answer can: ln(1 / G) under "logprob", else 0. Left out: none does.

    Raises ValueError when the lengths differ or `kind` is unknown.
    """
    if len(semantic_ids) != len(answers):
        raise ValueError(f"{len(semantic_ids)} semantic ids for {len(answers)} answers")
    if copies and len(copies) != len(answers):
        raise ValueError(f"{len(copies)} marks of copies for {len(answers)} answers")
    if kind not in get_args(RewardKind):
        raise ValueError(f"unknown reward {kind!r}")
    counts = Counter(c for c, answer in zip(semantic_ids, answers, strict=True) if answer)
    group_size = len(answers)
    largest = max(counts.values(), default=0)
    rng = random.Random(seed)

    def reward(n: int) -> float:
        match kind:
            case "prob":
                return n / group_size if largest > 1 else 0.0
            case "logprob":
                return math.log(n / group_size) if largest > 1 else 0.0
            case "loo":
                return (n - 1) / (group_size - 1) if largest > 1 else 0.0
            case "majority":
                return float(n == largest)
            case "random":
                return rng.random()

    least = math.log(1 / group_size) if kind == "logprob" and largest > 1 else 0.0
    rewards = [
        reward(counts[c]) if answer else empty_reward
        for c, answer in zip(semantic_ids, answers, strict=True)
    ]
    for i in range(group_size) if copies else ():
        if copies[i] and answers[i]:
            rewards[i] = least
    return rewards


def has_signal(rewards: Sequence[float]) -> bool:
    """Do the rewards differ? If not, every advantage is zero and there is nothing to learn.

    True for no group whose clusters all have the same size: 8, 4+4, 2+2+2+2, all distinct.
    """
    return len(rewards) > 0 and min(rewards) < max(rewards)
