"""One request of a connection at a time: the next is not even read before the last is answered.

What a client sends meanwhile waits unparsed, and then for its turn (turns.py). A client that does
not read what it is answered is not worked for until it does.
"""

import asyncio
import re
import socket
from typing import Any, Final, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from scheduler.http.connections import Connections, Guarded
from scheduler.http.turns import Lane, Turn, Turns, lane_of

#: So much is parsed at a time, in bytes.
_SLICE: Final = 16 * 1024
_HEAD_ENDS: Final = b"\r\n\r\n"
#: The end of a head that another one follows; the empty lines of a body look otherwise.
_ANOTHER: Final = re.compile(rb"\r\n\r\n[A-Z-]+ ")
#: A body that looks like the ends of heads is cut into so many pieces in one turn of the loop.
_PIECES: Final = 32
#: So much may wait in the kernel that has not been sent (bytes), once a connection pipelines. As
#: it is, the kernel takes megabytes of answers that nobody reads, and all of them are work.
_UNSENT: Final = 64 * 1024


class _Flow(FlowControl):
    """Reads no more while something waits to be parsed, whoever would like to."""

    holding = False

    def resume_reading(self) -> None:
        if not self.holding:
            super().resume_reading()


class InTurn(Guarded):
    """The protocol with bounds, one request at a time."""

    flow: _Flow

    def __init__(self, turns: Turns, connections: Connections, **server: Any) -> None:
        super().__init__(connections, **server)
        self._turns = turns
        self._held = bytearray()
        #: the request that waits for its turn
        self._next: tuple[RequestResponseCycle, ASGI3Application] | None = None
        #: the lane of the turn that is being taken
        self._granted: Lane | None = None
        self._follows = False
        self._awaits_reader = False
        self._is_bounded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._turns.forget(self)
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._hold(data)
        else:
            self._feed(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._awaits_reader:
            self._awaits_reader = False
            self.transport.set_write_buffer_limits()
            self._turns.ask(self, Lane.PIPELINED)

    def on_response_complete(self) -> None:
        self._follows = True
        super().on_response_complete()
        self._follows = False
        if self.transport.is_closing() or not (self._next or self._held):
            return
        self._unset_keepalive_if_required()
        if self.is_whole:
            self._all.rests(self)  # it is we who are waited for
        if self.transport.get_write_buffer_size():
            self._awaits_reader = True
            self.transport.set_write_buffer_limits(high=0)  # tells when all of it has left
        else:
            self._turns.ask(self, Lane.PIPELINED)

    def go_on(self, lane: Lane) -> None:
        """Begin with the request that waits, or with the next of what was held back."""
        if self.transport.is_closing():
            return
        self._granted = lane
        if self._next is not None:
            (cycle, app), self._next = self._next, None
            self._start_asgi_task(cycle, app)
        else:
            self._go_on_feeding()
        self._granted = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._granted is not None:
            turn = Turn(self._turns, self._granted, app, self.loop)
            self._granted = None
            super()._start_asgi_task(cycle, turn)
        elif self._follows:
            self._next = cycle, app
        elif (lane := lane_of(cycle.scope)) is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._next = cycle, app
            self._turns.ask(self, lane)

    def _feed(self, data: bytes) -> None:
        """Parse up to the end of the first request that is whole; hold the rest."""
        start = 0
        for _ in range(_PIECES):
            if self._is_busy():
                self._hold(data[start:])
                return
            end = _piece_ends(data, start)
            super().data_received(data[start:end] if end - start < len(data) else data)
            start = end
            if start == len(data) or self.transport.is_closing():
                return
        self._hold(data[start:])
        self.loop.call_soon(self._go_on_feeding)

    def _go_on_feeding(self) -> None:
        if self.transport.is_closing():
            return
        held = bytes(self._held)
        self._held.clear()
        self.flow.holding = False
        self._feed(held)
        if not self._held and not self._is_busy():
            self.flow.resume_reading()

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.flow.holding = True
        self.flow.pause_reading()
        if not self._is_busy():
            return
        if not self._is_bounded:
            self._is_bounded = True
            _bound_unsent(self.transport)
        if len(_ANOTHER.findall(self._held)) >= self._bounds.pipelined:
            self._refuse()

    def _is_busy(self) -> bool:
        """Whether the last request that was parsed is whole and not answered."""
        return self.is_whole and not self.cycle.response_complete


def fair(connections: Connections) -> type[asyncio.Protocol]:
    """What uvicorn makes its connections with: it calls it as it would a class."""
    turns = Turns()

    def make(**server: Any) -> InTurn:
        return InTurn(turns, connections, **server)

    return cast(type[asyncio.Protocol], make)


def _piece_ends(data: bytes, start: int) -> int:
    """Where the piece ends that begins at `start`: not more than a slice, and of two heads one."""
    most = min(start + _SLICE, len(data))
    end = data.find(_HEAD_ENDS, start, most) + len(_HEAD_ENDS)
    if end < len(_HEAD_ENDS) or data.find(_HEAD_ENDS, end, most) < 0:
        return most
    return end


def _bound_unsent(transport: asyncio.Transport) -> None:
    given = transport.get_extra_info("socket")
    if given.family in {socket.AF_INET, socket.AF_INET6}:
        given.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
