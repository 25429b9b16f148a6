"""A limit on what may be used in any 60 seconds, on the monotonic clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MINUTE_S = 60.0
# Uses this close together are remembered as one, at the time of the later one, so that a minute
# takes a bounded number of entries whatever its limit.
_SLOT_S = 0.1


@dataclass(slots=True)
class _Slot:
    first: float
    last: float
    amount: int


class Minute:
    """What was used in the last 60 seconds, against a limit.

    A sliding window: in no 60 seconds is a use begun that the limit does not have room for.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._slots: deque[_Slot] = deque()
        self._total = 0

    def add(self, amount: int, now: float) -> None:
        if self._slots and now - self._slots[-1].first < _SLOT_S:
            self._slots[-1].last = now
            self._slots[-1].amount += amount
        else:
            self._slots.append(_Slot(now, now, amount))
        self._total += amount

    def wait_s(self, now: float) -> float:
        """Seconds until there is room for one more; 0.0 when there is room now."""
        while self._slots and self._slots[0].last + MINUTE_S <= now:
            self._total -= self._slots.popleft().amount
        left = self._total
        for slot in self._slots:
            if left < self.limit:
                return 0.0
            left -= slot.amount
            if left < self.limit:
                return min(MINUTE_S, slot.last + MINUTE_S - now)
        return 0.0
