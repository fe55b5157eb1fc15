"""Timers for later events, on a grid of two milliseconds.

One timer for each message would wake the loop thousands of times a second, a grid at most 500
times.
"""

import asyncio
import heapq
import logging
import math
from collections.abc import Callable
from typing import Any

GRID = 0.002
TURN = 16  # acts in one go: longer turns would keep arriving requests waiting for their time stamp

log = logging.getLogger("volley.simulator")


class Timeline:
    """Acts that are due at an instant of the loop's clock, in order of time and then of asking."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._asked = 0
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = math.inf
        self._pumping = False

    def __len__(self) -> int:
        return len(self._heap)

    def after(self, seconds: float, act: Callable[[Any], None], subject: Any) -> None:
        """Call `act(subject)` in `seconds`, at the grid's next line."""
        due = self._loop.time() + seconds
        self._asked += 1
        heapq.heappush(self._heap, (due, self._asked, act, subject))
        if due < self._wake_at and not self._pumping:
            self._plan(due)

    def close(self) -> None:
        """Forget what is to come."""
        self._heap.clear()
        if self._wake is not None:
            self._wake.cancel()

    def _plan(self, due: float) -> None:
        line = math.ceil(due / GRID) * GRID
        if line >= self._wake_at:
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = line
        self._wake = self._loop.call_at(line, self._pump)

    def _pump(self) -> None:
        self._pumping, self._wake, self._wake_at = True, None, math.inf
        now = self._loop.time()
        for _ in range(TURN):
            if not self._heap or self._heap[0][0] > now:
                break
            _, _, act, subject = heapq.heappop(self._heap)
            try:
                act(subject)
            except Exception:
                log.exception("an act of the simulator failed; the others go on")
        self._pumping = False
        if self._heap and self._heap[0][0] <= now:
            self._wake_at = now
            self._loop.call_soon(self._pump)
        elif self._heap:
            self._plan(self._heap[0][0])
