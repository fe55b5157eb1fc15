"""How many starts a second the senders keep up with.

A slot that is missed is burnt: the message was claimed for nothing, and its agent's next slots come
too late as well. Where agents may start more than the machines can send, the senders would sink in
such misses. So the dispatcher feels its way, as TCP does: it begins low and doubles until many are
missed, takes the share that was missed away, adds a little again, and more and more as long as few
are missed. A machine that stands still for a moment misses some too; what that takes away is soon
back.
"""

import math
from dataclasses import dataclass

#: Seconds over which misses are counted. The window after a cut still shows what came before it.
WINDOW = 0.5
#: Shares missed: fewer than the first, and there may be more starts; more than the second in two
#: windows running, or more than the third at once, and there must be fewer. (The first starts of
#: all meet cold connections, and say little.)
FEW, MANY, FAR_TOO_MANY = 0.03, 0.07, 0.3
#: Fewer misses than this in a window say nothing.
TELLING = 10
#: Starts per second to begin with, and the least that is ever allowed.
BEGIN, LEAST = 1000.0, 20.0
#: The most that is taken away at once.
HALF = 0.5
#: What the first good window after a cut adds, by how much more each that follows, and the most.
STEP, FASTER, DOUBLE = 0.02, 1.5, 1.0
#: What a good window adds at the least while fewer are allowed than at the beginning: few machines
#: are that slow, but workers that die or freeze miss slots too.
LOW_STEP = 0.25
#: The limit stays within so many times what is used of it: what nobody tried, nobody knows.
UNUSED = 2.0
#: No more than is allowed for so many seconds goes out at once.
BURST = 0.25


@dataclass(slots=True)
class _Mark:
    """Where the counts stood."""

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
        """The senders' counts at `now` (monotonic seconds)."""
        mark = self._mark
        if mark is None or met < mark.met or missed < mark.missed:
            self._mark = _Mark(now, met, missed, self._released)
        elif now - mark.at >= WINDOW:
            released = (self._released - mark.released) / (now - mark.at)
            self._steer(now, met - mark.met, missed - mark.missed, released)
            self._mark = _Mark(now, met, missed, self._released)

    def room(self, now: float) -> float:
        """How many slots may be handed out now."""
        passed = min(now - self._asked_at, BURST)
        self._room = min(self._room + passed * self.limit, BURST * self.limit)
        self._asked_at = now
        return self._room

    def took(self, slots: int) -> None:
        """So many were handed out."""
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
