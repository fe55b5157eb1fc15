"""The throttle's client in a sending process: Redis's clock, new slots, reports of slots and 429s.

All calls to Redis run in one thread, so the event loop never blocks on Redis.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from redis import RedisError

from shared.logging import get_logger
from shared.outage import Outage
from shared.throttle import SENDER, Granted, Throttle, Want
from shared.throttle.redis_clock import RedisClock, measure
from shared.throttle.slot_counts import Tally
from worker.send.slots import Loaded

log = get_logger(__name__)
T = TypeVar("T")

#: Seconds. A start later than this after its slot is not written: after a late first start a
#: punctual sixth would be the sixth within one second, at a rate of 5.
LATE = 0.012
#: Seconds. Nothing is written under an older claim: so a pause or a STOP works within 0.5 s.
MAX_CLAIM_AGE = 0.5
#: Seconds that a scope waits after a 429 without a Retry-After: at the first, and at the most.
_BACK_OFF, _BACK_OFF_MOST = 0.1, 8.0
#: Seconds to a new slot, at the least.
_LEAD = 0.02
#: Seconds between two reports of slots that were met and missed.
_REPORT_EVERY = 0.1
#: Seconds between two measures of Redis's clock: while it is good, and while it is in doubt.
_CLOCK_EVERY, _CLOCK_IN_DOUBT = 60.0, 1.0


class Pace:
    """The throttle as one sending process uses it."""

    def __init__(self, throttle: Throttle, tally: Tally) -> None:
        self.clock = RedisClock(offset=0.0, doubt=float("inf"))
        self._throttle = throttle
        self._tally = tally
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="throttle")
        self._excess: list[tuple[str, float]] = []
        self._met = self._missed = 0
        self._reported_at = 0.0
        self._store = Outage(log, away="throttle.not_told", back="throttle.told_again")
        #: scope → (429s in a row, monotonic end of the last wait)
        self._backing_off: dict[str, tuple[int, float]] = {}

    def lateness(self, slot: float) -> float:
        """Seconds since the slot, on Redis's clock."""
        return self.clock.now() - slot

    def wrote(self, agent_key: int, slot: float, *, sender: str | None = None) -> None:
        """Count a start. If it was late (the machine paused between check and write), note the
        excess for the agent's next slot, and for the sender's if the sender has a limit.
        """
        self._met += 1
        excess = self.lateness(slot) - LATE
        if excess > 0:
            self._excess.append((str(agent_key), excess))
            if sender is not None:
                self._excess.append((SENDER + sender, excess))

    def missed(self) -> None:
        """Count a slot that a message missed because it was not ready in time."""
        self._missed += 1

    async def reserve_again(self, late: Sequence[tuple[Loaded, Want]]) -> list[Loaded]:
        """Get new slots for late messages in one call; returns those that got none in time."""
        try:
            ask = partial(
                self._throttle.reserve_many, lead=_LEAD, ahead=MAX_CLAIM_AGE, spread=False
            )
            granted: list[Granted | None] = list(await self._ask(ask, [want for _, want in late]))
        except RedisError:
            granted = [None] * len(late)
        too_late = []
        for (loaded, _), grant in zip(late, granted, strict=True):
            loaded.misses += 1
            left = MAX_CLAIM_AGE - (time.monotonic() - loaded.claimed_at)
            if grant is None or not grant.count or -self.lateness(grant.first) >= left:
                too_late.append(loaded)
            else:
                loaded.slot = grant.first
        return too_late

    @property
    def has_unreported(self) -> bool:
        """Whether anything is not yet reported to the throttle."""
        return bool(self._excess or self._met or self._missed)

    @property
    def must_report(self) -> bool:
        """Whether a report is due: at once for a late start, every 0.1 s for counts."""
        if self._excess:
            return True
        return (
            bool(self._met or self._missed)
            and time.monotonic() - self._reported_at >= _REPORT_EVERY
        )

    async def report(self) -> None:
        """Move the next slots of agents whose starts were late; report slots met and missed."""
        excess, self._excess = self._excess, []
        if excess:
            await self._ask_or_log(self._throttle.delay, excess)
        met, missed, self._met, self._missed = self._met, self._missed, 0, 0
        self._reported_at = time.monotonic()
        await self._ask_or_log(partial(self._tally.add, met=met, missed=missed))

    async def back_off(self, scope: str, retry_after: float | None) -> None:
        """Stop starts in the scope after a 429, for `retry_after` seconds. None: for 0.1 s, doubled
        by each consecutive 429 up to 8 s. From the second consecutive 429 the rate goes down too.

        429s of calls that were under way at the same time count as one.
        """
        now = time.monotonic()
        streak, until = self._backing_off.get(scope, (0, 0.0))
        if now < until:
            return
        streak += 1
        seconds = (
            retry_after
            if retry_after is not None
            else min(_BACK_OFF * 2 ** (streak - 1), _BACK_OFF_MOST)
        )
        self._backing_off[scope] = (streak, now + seconds)
        await self._ask_or_log(self._throttle.no_start_before, scope, self.clock.now() + seconds)
        if streak > 1:
            await self._ask_or_log(self._throttle.slow, scope)

    def went(self, scopes: Iterable[str]) -> None:
        """Reset the count of consecutive 429s of these scopes: a call was accepted."""
        if self._backing_off:
            for scope in scopes:
                self._backing_off.pop(scope, None)

    async def keep_clock(self) -> None:
        """Measure Redis's clock at the start and every minute, until cancelled."""
        store = Outage(log, away="clock.not_measured", back="clock.measured_again")
        while True:
            try:
                self.clock = await self._ask(measure, self._throttle)
                store.answered()
            except RedisError as error:
                store.failed(error)
            await asyncio.sleep(_CLOCK_EVERY if self.clock.good else _CLOCK_IN_DOUBT)

    async def _ask_or_log(self, question: Callable[..., object], *arguments: object) -> None:
        try:
            await self._ask(question, *arguments)
            self._store.answered()
        except RedisError as error:
            self._store.failed(error)

    async def _ask(self, question: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(question, *arguments))


def want_of(agent_key: int, account: str, rate: float) -> Want:
    """A request for one slot, up to half a period later at random: so late messages spread out."""
    return Want(str(agent_key), account, rate, 1, extra=random.random() / rate / 2)
