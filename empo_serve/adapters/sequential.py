"""Is a mean above a limit? Asked after every observation, with an error that holds for all of them.

A fixed-sample test that is looked at again and again until it says something is wrong far more
often than its level. This one is not: it bets against each of two hypotheses, and the wealth of a
bet against a true hypothesis is a nonnegative supermartingale that starts at 1, so it ever reaches
1/alpha with probability at most alpha (Ville's inequality). Testing by betting, with the plug-in
bets "aGRAPA": Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting,
JRSS B 86 (2024), arXiv 2010.09686.

Observations are taken as they come and are only assumed to have a common conditional mean; nothing
is assumed of their distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MOST = 0.75  # of what a bet may lose at once


@dataclass(slots=True)
class MeanTest:
    """Bets on the mean of observations in [0, 1] being above, or below, `limit`.

    All fields are plain numbers, so that a test can be stored and gone on with.
    """

    limit: float
    num: int = 0
    total: float = 0.0
    squares: float = 0.0  # of the differences to the mean as it was known before each
    log_above: float = 0.0  # of the wealth of the bet that the mean is above the limit
    log_below: float = 0.0

    def add(self, x: float) -> None:
        """Take one observation. The bets on it depend on earlier ones only."""
        mean = (0.5 + self.total) / (self.num + 1)
        variance = (0.25 + self.squares) / (self.num + 1)
        edge = mean - self.limit
        bet = edge / (variance + edge**2)
        above = min(max(bet, 0.0), _MOST / self.limit)
        below = min(max(-bet, 0.0), _MOST / (1 - self.limit))
        self.log_above += math.log1p(above * (x - self.limit))
        self.log_below += math.log1p(-below * (x - self.limit))
        self.num += 1
        self.total += x
        self.squares += (x - self.total / self.num) ** 2

    @property
    def mean(self) -> float | None:
        return self.total / self.num if self.num else None

    def is_above(self, alpha: float) -> bool:
        """False with probability 1 - alpha at least for ever, if the mean is not above."""
        return self.log_above >= -math.log(alpha)

    def is_below(self, alpha: float) -> bool:
        return self.log_below >= -math.log(alpha)
