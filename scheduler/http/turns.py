"""Who is worked for next: a connection that asks much at once waits for itself, not others for it.

Without turns every connection's next request begins as soon as its last one is answered, and
whoever sends a hundred at once on each of his connections has all of the server's time.
"""

import asyncio
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final, Protocol

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from scheduler.http.app import WEBHOOKS


class Lane(Enum):
    """Each lane has turns of its own: none of them waits for another."""

    HEALTH = auto()
    PLAIN = auto()
    #: what was sent before the answer to the request ahead of it had left
    PIPELINED = auto()


#: So many of a lane are worked on at once. A turn of the loop does one step of each of them, and
#: for that long everybody else waits.
AT_WORK: Final[Mapping[Lane, int]] = {Lane.HEALTH: 8, Lane.PLAIN: 8, Lane.PIPELINED: 4}
#: Seconds after which a request keeps nobody else waiting, though it is not answered: it may be a
#: stream of events, or its client may send its body drop by drop.
_MOST: Final = 0.25


class Waiting(Protocol):
    """Whoever may wait for a turn."""

    def go_on(self, lane: Lane) -> None:
        """It is its turn: it takes one (`Turn`), or has nothing to do after all."""


class Turns:
    """The turns of one server, in each lane in the order in which they were asked for."""

    def __init__(self, at_work: Mapping[Lane, int] = AT_WORK) -> None:
        self._free = dict(at_work)
        self._waiting: dict[Lane, dict[Waiting, None]] = {lane: {} for lane in Lane}

    def ask(self, one: Waiting, lane: Lane) -> None:
        """It goes on at once when a turn is free. A connection asks for one at a time."""
        self._waiting[lane][one] = None
        self._grant(lane)

    def forget(self, one: Waiting) -> None:
        """It is gone."""
        for waiting in self._waiting.values():
            waiting.pop(one, None)

    def taken(self, lane: Lane) -> None:
        """A request begins."""
        self._free[lane] -= 1

    def ended(self, lane: Lane) -> None:
        """One has ended, or was at work for so long that others may begin."""
        self._free[lane] += 1
        self._grant(lane)

    def _grant(self, lane: Lane) -> None:
        waiting = self._waiting[lane]
        while waiting and self._free[lane] > 0:
            one = next(iter(waiting))
            del waiting[one]
            one.go_on(lane)


class Turn:
    """An app that is called once, and is at work for as long."""

    def __init__(
        self, turns: Turns, lane: Lane, app: ASGI3Application, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._turns, self._lane, self._app = turns, lane, app
        turns.taken(lane)
        self._late: asyncio.TimerHandle | None = loop.call_later(_MOST, self._end)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            self._end()

    def _end(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
            self._turns.ended(self._lane)


def lane_of(scope: Mapping[str, Any]) -> Lane | None:
    """The lane of a request that was sent by itself. None: a callback, which waits for nobody."""
    path: str = scope["path"]
    if path.startswith(f"{WEBHOOKS}/"):
        return None
    return Lane.HEALTH if path == "/healthz" else Lane.PLAIN
