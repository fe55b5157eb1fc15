"""Admission control: the starts per second that the workers can keep up with.

A missed slot is lost: the message was claimed for nothing, and its agent's next slots come too late
as well. When agents may start more than the machines can send, most slots would be missed. So the
dispatcher adapts a limit, as TCP's congestion control does (RFC 5681): it begins low and doubles
until many slots are missed, then subtracts the missed share, and adds in growing steps while few
are missed. A machine that freezes for a moment misses slots too; the limit recovers soon.
"""

import math
from dataclasses import dataclass

#: Seconds over which misses are counted. The window after a cut still counts slots from before it.
WINDOW = 0.5
#: Shares of missed slots. Below the first the limit rises. It falls above the second in two
#: consecutive windows, or above the third in one. (The very first starts meet cold connections,
#: so one window is not enough.)
FEW, MANY, FAR_TOO_MANY = 0.03, 0.07, 0.3
#: A window with fewer misses than this does not lower the limit.
TELLING = 10
#: Starts per second: the first limit, and the lowest.
BEGIN, LEAST = 1000.0, 20.0
#: The largest share that one cut takes.
HALF = 0.5
#: Shares that a good window adds: the first after a cut, the growth per window, the most.
STEP, FASTER, DOUBLE = 0.02, 1.5, 1.0
#: The least that a good window adds while the limit is below the first one: few machines are that
#: slow, but workers that die or freeze miss slots too.
LOW_STEP = 0.25
#: The limit is at most this many times the starts in use: a higher one would be untested.
UNUSED = 2.0
#: Seconds of the limit that may go out at once.
BURST = 0.25


@dataclass(slots=True)
class _Mark:
    """The counts at an earlier instant."""

    at: float
    met: int
    missed: int
    released: int


class AdmissionControl:
    """The limit on starts per second over all agents."""

    def __init__(self) -> None:
        self.limit = BEGIN
        self._step = DOUBLE
        self._released = 0
        self._mark: _Mark | None = None
        self._after_cut = self._bad = False
        self._room = 0.0
        self._asked_at = -math.inf

    def learn(self, now: float, met: int, missed: int) -> None:
        """Take the workers' counts at `now` (monotonic seconds), and adapt the limit."""
        mark = self._mark
        if mark is None or met < mark.met or missed < mark.missed:
            self._mark = _Mark(now, met, missed, self._released)
        elif now - mark.at >= WINDOW:
            released = (self._released - mark.released) / (now - mark.at)
            self._steer(now, met - mark.met, missed - mark.missed, released)
            self._mark = _Mark(now, met, missed, self._released)

    def room(self, now: float) -> float:
        """The number of slots that may be handed out now."""
        passed = min(now - self._asked_at, BURST)
        self._room = min(self._room + passed * self.limit, BURST * self.limit)
        self._asked_at = now
        return self._room

    def took(self, slots: int) -> None:
        """Count slots that were handed out."""
        self._released += slots
        self._room = max(self._room - slots, -BURST * self.limit)

    def _steer(self, now: float, met: int, missed: int, released: float) -> None:
        share = missed / (met + missed) if missed >= TELLING else 0.0
        bad_again, self._bad = self._bad and share > MANY, share > MANY
        if self._after_cut:
            self._after_cut = False
        elif bad_again or (share > FAR_TOO_MANY and self.limit > BEGIN):
            self.limit = max(LEAST, min(self.limit, released) * max(HALF, 1 - share))
            self._room, self._asked_at = 0.0, now
            self._step, self._after_cut = STEP, True
        elif share <= FEW:
            step = max(self._step, LOW_STEP) if self.limit < BEGIN else self._step
            grown = min(self.limit * (1 + step), UNUSED * released)
            self.limit = max(grown, min(self.limit, BEGIN))
            self._step = min(self._step * FASTER, DOUBLE)
