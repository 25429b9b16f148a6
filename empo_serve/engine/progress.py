"""Does an engine that is waited for still get on with its work?

Slow and hung look alike from outside, and killing a slow engine is worse than finding a hung one
late. So this counts only the time in which nothing at all spoke for the engine.
"""

from __future__ import annotations

# A child that computes without a result may be at a long prompt, or spin in a deadlock: it gets
# this many times the patience.
COMPUTING_FACTOR = 10


class Progress:
    """Told at each look what was seen since the look before; says when to give the engine up.

    `stall_timeout_s` is the patience. `longest_gap_s` is the most time that one look may add: a
    look that comes much later than planned says that we were held up, not the engine.
    """

    def __init__(self, stall_timeout_s: float, longest_gap_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._longest_gap_s = longest_gap_s
        self._last_look: float | None = None
        self._was_waited_for = False
        self._idle_s = 0.0
        self.silent_s = 0.0
        """Seconds for which the engine was waited for and showed no progress."""

    def look(self, now: float, *, moved: bool, waited_for: bool, computing: bool) -> None:
        """Take note of one look at the clock time `now`, in seconds.

        `moved`: a part of an answer came, or the engine's count of tokens went up.
        `waited_for`: a request is open, or the engine does not say that it is healthy.
        `computing`: it uses CPU time, as far as that can be seen.
        """
        gap_s = 0.0
        # What is waited for only now may have begun just before this look.
        if self._last_look is not None and waited_for and self._was_waited_for:
            gap_s = min(now - self._last_look, self._longest_gap_s)
        self._last_look = now
        self._was_waited_for = waited_for
        # Without a wait there is nothing new: an old doubt stays until the engine moves.
        self.silent_s = 0.0 if moved else self.silent_s + gap_s
        self._idle_s = 0.0 if moved or computing else self._idle_s + gap_s

    @property
    def is_doubtful(self) -> bool:
        """Half of the patience is gone: time to ask the engine for a sign of life."""
        return self.silent_s >= self._stall_timeout_s / 2

    @property
    def is_stalled(self) -> bool:
        return (
            self._idle_s >= self._stall_timeout_s
            or self.silent_s >= COMPUTING_FACTOR * self._stall_timeout_s
        )
