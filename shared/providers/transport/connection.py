"""One HTTP/1.1 connection: it writes a request at once and returns a future for the answer.

httptools (llhttp) parses; TLS is the standard library's. `Wire` in pool.py keeps the connections.
"""

import select
from asyncio import AbstractEventLoop, BaseTransport, Future, Transport
from asyncio import Protocol as WireProtocol
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

import httptools

from shared.providers.errors import Unknown, Unreachable

MAX_ANSWER: Final = 1_048_576
"""Bytes of one answer, head and body. The connection closes when an answer is longer."""

_HANG_UP: Final = getattr(select, "POLLRDHUP", 0)  # Linux only; elsewhere it shows later


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came. Header names are lower case; of a repeated one, the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def header_block(headers: Mapping[str, str]) -> bytes:
    """Headers as bytes, made once for many requests. Raises ValueError for a line break in one."""
    block = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if block.count("\n") != len(headers) or block.count("\r") != len(headers):
        raise ValueError("a header must not contain a line break")
    return block.encode("ascii")


class Pool(Protocol):
    """The owner of connections; each connection reports to it."""

    def written(self, connection: "Connection") -> None:
        """A request has been written; its answer is due."""

    def released(self, connection: "Connection") -> None:
        """The answer is complete and the connection may be reused, or it is `closed`."""


class Connection(WireProtocol):
    """A connection of a pool. One request at a time."""

    def __init__(self, loop: AbstractEventLoop, pool: Pool, *, host: bytes) -> None:
        self._loop = loop
        self._pool = pool
        self._host = host
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Transport | None = None
        self._poll: select.poll | None = None
        self._answer: Future[Response] | None = None
        self._start_answer()
        self.idle_until = float("inf")
        self.keep_alive: float | None = None
        self.deadline = 0.0

    # -- for callers -------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, headers: bytes, body: bytes = b""
    ) -> "Future[Response]":
        """Write the request at once; the future gives its Response, or fails with Unknown.

        Raises Unreachable when the connection is closed, ValueError for an invalid path: in both
        cases nothing was written. The pool checks the deadline.
        """
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("a request path must be printable ASCII without spaces")
        transport = self._transport
        if transport is None or transport.is_closing() or self._answer is not None:
            raise Unreachable("the connection had been closed before the request was written")
        length = b"Content-Length: %d\r\n" % len(body) if body or method == "POST" else b""
        line = f"{method} {path} HTTP/1.1\r\nHost: ".encode("ascii")
        transport.write(b"".join((line, self._host, b"\r\n", headers, length, b"\r\n", body)))
        self._answer = answer = self._loop.create_future()
        self._pool.written(self)
        return answer

    @property
    def busy(self) -> bool:
        """Whether it waits for an answer."""
        return self._answer is not None

    @property
    def closed(self) -> bool:
        """Whether it cannot be used any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def peer(self) -> str:
        """The address at the other end. Checks use this one, not what the name resolved to."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if name else ""

    def usable(self) -> bool:
        """Whether the kernel still has it open at this instant.

        The peer may have closed it while the event loop was busy, and a POST on a dead connection
        would be ambiguous. The system call costs a microsecond.
        """
        return not self.closed and (self._poll is None or not self._poll.poll(0))

    def abort(self, why: str = "the connection was closed") -> None:
        """Close at once. A request in flight ends as Unknown."""
        self._fail(why)
        if self._transport is not None:
            self._transport.abort()

    def secured(self, transport: Transport) -> None:
        """Switch to the TLS transport after the handshake."""
        self._transport = transport
        if self._poll is not None:  # TLS 1.3 sends tickets without a request: data is no alarm
            self._poll.modify(self._socket, _HANG_UP)

    # -- for the event loop ------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        if hasattr(select, "poll"):
            self._socket = transport.get_extra_info("socket").fileno()
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN | _HANG_UP)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort("the server spoke out of turn")
            return
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self.abort("the answer is larger than anything that was asked for")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort("the answer is not HTTP")

    def eof_received(self) -> None:
        self._hung_up("the server closed the connection before it had answered")

    def connection_lost(self, error: Exception | None) -> None:
        self._hung_up(f"the connection broke before the answer came ({error or 'closed'})")
        self._transport = None
        self._poll = None
        self._pool.released(self)

    # -- for the parser ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._answer is None:  # a second answer would count as the next request's
            self.abort("the server spoke out of turn")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        headers = self._headers
        self._until_eof = "content-length" not in headers and "transfer-encoding" not in headers

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and other 1xx only announce the answer
            self._start_answer()
            return
        reusable = self._parser.should_keep_alive()
        self.keep_alive = _keep_alive(self._headers.get("keep-alive"))
        self._complete(status)
        if reusable:
            self._pool.released(self)
        else:
            self.abort()

    # -- in private --------------------------------------------------------------------------

    def _start_answer(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._until_eof = False

    def _complete(self, status: int) -> None:
        answer, self._answer = self._answer, None
        response = Response(status, self._headers, b"".join(self._body))
        self._start_answer()
        if answer is not None and not answer.done():  # the caller may have given up meanwhile
            answer.set_result(response)

    def _hung_up(self, why: str) -> None:
        # HTTP/1.0 and Connection: close end a body by closing; the parser cannot see that.
        if self._answer is not None and self._until_eof:
            self._complete(self._parser.get_status_code())
        self._fail(why)

    def _fail(self, why: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(Unknown(f"It may have been sent: {why}."))


def _keep_alive(header: str | None) -> float | None:
    """Seconds the server says it keeps an idle connection, from `Keep-Alive: timeout=5`."""
    if header is None:
        return None
    for piece in header.split(","):
        name, _, value = piece.strip().partition("=")
        if name.lower() == "timeout" and value.isdecimal():
            return float(value)
    return None
