"""What a stranger may cost before he has asked anything: bounds on heads, waiting and connections.

The server calls the app only when a request's head is whole, so nothing here can be done by a
middleware. The numbers stand in the runbook.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared import metrics

#: Of a crowded address so many connections are looked at for one that may go.
_ELDEST: Final = 20
_TOO_LARGE: Final = (
    b'{"error": {"code": "head_too_large", "message": "The head of the request is larger than '
    b'64 kB or has more than 100 lines. Send fewer or shorter headers.", "details": {}}}'
)
_REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TOO_LARGE), _TOO_LARGE)
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`head` in bytes, `lines` of a head, `wait` in seconds, `connections` in all, `unproven`
    connections of one address that have not yet brought a whole request, `pipelined` requests.
    """

    head: int = 64 * 1024
    lines: int = 100
    wait: float = 15.0
    connections: int = 2000
    unproven: int = 200
    pipelined: int = 64
    #: A connection younger than this (seconds) is not closed to make room: a callback that has
    #: just come looks like a stranger who says nothing. Unless there are twice as many as may be.
    grace: float = 1.0


class Connections:
    """All connections of one server: who has been silent for too long, and who makes room."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._count = 0
        # Both in the order of `since`: the first has been waited for longest.
        self._heads: dict[Guarded, None] = {}
        self._bodies: dict[Guarded, None] = {}
        # In the order of `unread_since`. Such a connection may be in one of the others too.
        self._unread: dict[Guarded, None] = {}
        self._unproven: dict[str, dict[Guarded, None]] = defaultdict(dict)
        self._sweeping = False

    def arrived(self, connection: "Guarded", loop: asyncio.AbstractEventLoop) -> None:
        """A connection was made. Whoever has said nothing for longest may have to go for it."""
        self._count += 1
        unproven = self._unproven[connection.address]
        unproven[connection] = None
        if len(unproven) > self.bounds.unproven:
            self._make_room(list(islice(unproven, _ELDEST)), loop.time())
        if self._count > self.bounds.connections:
            self._make_room_anywhere(loop.time())
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(1.0, self._sweep, loop)

    def left(self, connection: "Guarded") -> None:
        """A connection has ended."""
        self._count -= 1
        self.rests(connection)
        self.reads(connection)
        self.proven(connection)

    def proven(self, connection: "Guarded") -> None:
        """It brought a whole request."""
        unproven = self._unproven.get(connection.address)
        if unproven is not None:
            unproven.pop(connection, None)
            if not unproven:
                del self._unproven[connection.address]

    def awaits_head(self, connection: "Guarded", now: float) -> None:
        """The next head, or the rest of it, is waited for from now on."""
        self.rests(connection)
        connection.since = now
        self._heads[connection] = None

    def awaits_body(self, connection: "Guarded", now: float) -> None:
        """The next piece of a body is waited for from now on."""
        self.rests(connection)
        connection.since = now
        self._bodies[connection] = None

    def rests(self, connection: "Guarded") -> None:
        """Nothing is waited for: the answer is ours to give."""
        self._heads.pop(connection, None)
        self._bodies.pop(connection, None)

    def awaits_reader(self, connection: "Guarded", now: float) -> None:
        """It is to read its answers from now on: more wait for it than the server likes to keep."""
        self.reads(connection)
        connection.unread_since = now
        self._unread[connection] = None

    def reads(self, connection: "Guarded") -> None:
        """It has read its answers."""
        self._unread.pop(connection, None)

    def _make_room_anywhere(self, now: float) -> None:
        """Close whoever has not read his answers for longest, or else as `_make_room`."""
        for unread in _first(self._unread):
            if self._may_go(unread.unread_since, now):
                self._close(unread, "evicted")
                return
        self._make_room([*_first(self._heads), *_first(self._bodies)], now)

    def _make_room(self, waiting: list["Guarded"], now: float) -> None:
        """Close the one of these that has been waited for longest, heads before bodies."""
        waiting = [one for one in waiting if one in self._heads or one in self._bodies]
        if not waiting:
            return
        longest = min(waiting, key=lambda one: (one in self._bodies, one.since))
        if self._may_go(longest.since, now):
            self._close(longest, "evicted")

    def _may_go(self, since: float, now: float) -> bool:
        crowded = self._count > 2 * self.bounds.connections
        return crowded or now - since >= self.bounds.grace

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for waiting in (self._heads, self._bodies):
            for connection in list(waiting):
                if now - connection.since <= self.bounds.wait:
                    break
                if connection in self._unread or connection.is_at_work():
                    again = self.awaits_head if waiting is self._heads else self.awaits_body
                    again(connection, now)
                else:
                    self._close(connection, "silent")
        self._sweep_unread(now)
        self._sweeping = self._count > 0
        if self._sweeping:
            loop.call_later(1.0, self._sweep, loop)

    def _sweep_unread(self, now: float) -> None:
        for connection in list(self._unread):
            if now - connection.unread_since <= self.bounds.wait:
                break
            if connection.has_read():
                self.awaits_reader(connection, now)
            else:
                self._close(connection, "unread")

    def _close(self, connection: "Guarded", why: str) -> None:
        metrics.connections_closed.labels(why).inc()
        self.rests(connection)
        self.reads(connection)
        connection.abort()


class Guarded(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds on what comes before a request is whole."""

    def __init__(self, connections: Connections, **server: Any) -> None:
        super().__init__(**server)
        self._all = connections
        self._bounds = connections.bounds
        self.address = ""
        #: loop time since when the client's next bytes are waited for
        self.since = 0.0
        #: loop time since when it is to read its answers
        self.unread_since = 0.0
        #: whether the last request has come to its end
        self.is_whole = False
        self._in_head = True
        self._refused = False
        #: bytes that brought neither a whole head nor any of a body
        self._loose = 0
        self._progress = False
        #: bytes of answers that the client had not taken at the last look
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._all.awaits_head(self, self.loop.time())
        self._all.arrived(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Not more than a slice: what is endless is to be refused before all of it is parsed."""
        self._progress = False
        super().data_received(data)
        self._loose = 0 if self._progress else self._loose + len(data)
        if self._refused or self._loose > self._bounds.head:
            self._refuse()

    def abort(self) -> None:
        """End it at once, whatever waits to be read or written."""
        self.transport.abort()

    def is_at_work(self) -> bool:
        """Whether it is we who do not read now, or the client still takes what was answered."""
        return self.flow.read_paused or (self.has_read() and self._unread > 0)

    def has_read(self) -> bool:
        """Whether the client has taken anything of what was answered since the last look."""
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        return self._unread != before

    def pause_writing(self) -> None:
        super().pause_writing()
        self._all.awaits_reader(self, self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._all.reads(self)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self.is_whole = True, False
        if self.cycle is None or self.cycle.response_complete:
            self._all.awaits_head(self, self.loop.time())

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nothing of ours reads one
        if len(self.headers) >= self._bounds.lines:
            self._refused = True
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._progress = False, True
        if self._refused:
            return
        super().on_headers_complete()
        self._all.awaits_body(self, self.loop.time())

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self._refused:
            return
        super().on_body(body)
        if not self.cycle.response_complete:
            self._all.awaits_body(self, self.loop.time())

    def on_message_complete(self) -> None:
        self._progress = self.is_whole = True
        if self._refused:
            return
        super().on_message_complete()
        self._all.proven(self)
        if not self.cycle.response_complete:
            self._all.rests(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:  # idle, or its body is still to come, or its answer still to be read
            self._all.awaits_head(self, self.loop.time())

    def _refuse(self) -> None:
        self._refused = True
        if self.transport.is_closing():
            return
        metrics.connections_closed.labels("head").inc()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_REFUSAL)
        self.transport.close()


def _first(waiting: dict[Guarded, None]) -> list[Guarded]:
    return [next(iter(waiting))] if waiting else []
