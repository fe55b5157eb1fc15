"""HTTP/1.1 on bare asyncio: requests come in whole, answers go out well or badly, as told.

Answers may be made later than their request; on one connection they keep the requests' order.
"""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import httptools

from shared import clock

BODY_LIMIT = 1 << 20  # bytes; any provider's own limit is far smaller
REASONS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
JSON = b"Content-Type: application/json;charset=utf-8\r\n"
TURN = 16  # requests worked on in one go
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST, not FIN


log = logging.getLogger("volley.simulator")


class Request:
    """One whole request. `at` is when its last byte was read, in Unix seconds.

    `standing` are header lines that every answer to it carries, `content` the line that tells its
    format; `done` is called when it is over.
    Exactly one of answer, truncate, dribble, reset and hang is to be called, once, at any time.
    """

    __slots__ = (
        "_connection", "_headers", "at", "authorization", "body", "content", "done", "host",
        "method", "origin", "path", "query", "standing",
    )  # fmt: skip

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self.at = connection.arrived
        self.method = connection.parser.get_method().decode()
        path, _, query = connection.url.partition(b"?")
        self.path = path.decode("ascii", "replace")
        self.query = query.decode("ascii", "replace")
        self._headers = connection.headers
        self.authorization = connection.headers.get(b"authorization", b"")
        self.host = connection.headers.get(b"host", b"").decode("latin-1")
        self.origin = connection.headers.get(b"origin", b"").decode("latin-1")
        self.body = b"".join(connection.chunks)
        self.done: Callable[[], None] | None = None
        self.standing = b""
        self.content = JSON

    def header(self, name: str) -> str:
        """The header's value, "" without it; those of a repeated one in a row, with commas."""
        return self._headers.get(name.lower().encode("latin-1"), b"").decode("latin-1")

    def answer(self, status: int, payload: bytes, headers: bytes = b"") -> None:
        """A well-formed answer; `headers` are whole lines, each with its line end."""
        self.close_case()
        lines = self.content + self.standing + headers
        self._connection.write(_message(status, payload, lines))
        self._connection.next_request()

    def truncate(self, status: int, payload: bytes) -> None:
        """The head promises the whole payload, half of it comes, then the connection ends."""
        self.close_case()
        message = _message(status, payload, self.content)
        self._connection.write(message[: len(message) - len(payload) // 2])
        self._connection.close()

    def dribble(self, status: int, payload: bytes, *, every: float) -> None:
        """The answer comes one byte every `every` seconds."""
        self.close_case()
        self._connection.dribble(_message(status, payload, self.content), every)

    def reset(self) -> None:
        """The connection is reset (RST) instead of answered."""
        self.close_case()
        self._connection.reset()

    def hang(self) -> None:
        """No answer, ever; the connection stays open until the client closes it."""
        self.close_case()

    def close_case(self) -> None:
        """The request no longer counts as being worked on. Harmless when repeated."""
        done, self.done = self.done, None
        if done is not None:
            done()


class Intake:
    """Where bytes wait after their arrival was stamped.

    Reading and working are apart, so that a hundred requests arriving together are stamped within
    a millisecond, and not each after the work for the one before.
    """

    def __init__(self, route: Callable[[Request], None]) -> None:
        self.route = route
        self.living: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Connection, bytes, float]] = deque()

    def take(self, connection: "Connection", data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._work)
        self._waiting.append((connection, data, clock.unix()))

    def _work(self) -> None:
        for _ in range(min(TURN, len(self._waiting))):
            connection, data, arrived = self._waiting.popleft()
            try:
                connection.parse(data, arrived)
            except Exception:
                log.exception("a connection failed inside the simulator; the others go on")
        if self._waiting:
            self._loop.call_soon(self._work)


class Connection(asyncio.Protocol):
    """One client's connection: bytes in, requests out to the intake's route, one at a time."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._transport: asyncio.Transport | None = None
        self._working: Request | None = None
        self._waiting: deque[Request] = deque()
        self._close_after = False
        self.parser = httptools.HttpRequestParser(self)
        self.arrived = 0.0
        self.headers: dict[bytes, bytes] = {}
        self.url = b""
        self.chunks: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        self._intake.living.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._intake.living.discard(self)
        for request in (self._working, *self._waiting):
            if request is not None:
                request.close_case()
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        self._intake.take(self, data)

    def parse(self, data: bytes, arrived: float) -> None:
        """Bytes that were read at `arrived`, in Unix seconds."""
        self.arrived = arrived
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer to switch protocols may be ignored
        except httptools.HttpParserError:
            self.write(_message(400, b"", b"Connection: close\r\n"))
            self.close()

    def on_message_begin(self) -> None:
        self.url, self.headers, self.chunks, self._size = b"", {}, [], 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        seen = self.headers.get(name)
        self.headers[name] = value if seen is None else seen + b", " + value

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > BODY_LIMIT:
            self.close()
        else:
            self.chunks.append(body)

    def on_message_complete(self) -> None:
        request = Request(self)
        self._close_after = not self.parser.should_keep_alive()
        if self._working is None:
            self._begin(request)
        else:
            self._waiting.append(request)

    def next_request(self) -> None:
        """The present request is answered: end, or begin the next one that came meanwhile."""
        self._working = None
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif self._close_after:
            self.close()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is not None:
            wire = self._transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def dribble(self, rest: bytes, every: float) -> None:
        """Write one byte now and the rest bit by bit, while the client stays."""
        if self._transport is None:
            return
        self.write(rest[:1])
        if len(rest) > 1:
            asyncio.get_running_loop().call_later(every, self.dribble, rest[1:], every)
        else:
            self.next_request()

    def _begin(self, request: Request) -> None:
        self._working = request
        try:
            self._intake.route(request)
        except Exception:
            log.exception("a request failed inside the simulator")
            request.answer(500, b"{}")


def _message(status: int, payload: bytes, headers: bytes) -> bytes:
    if status == 204:
        return b"%b%b\r\n" % (REASONS[204], headers)
    length = len(payload)
    return b"%bContent-Length: %d\r\n%b\r\n%b" % (REASONS[status], length, headers, payload)
