"""The one HTTP client: warm connections to one origin, taken before the last check.

A library's pool connects inside its call, between our check of the slot and the write. Here the
order is: take a connection (`take`), check, write, with no await between. Every error says whether
a byte was written: Unreachable if not, Unknown if so.
"""

import asyncio
import ssl
from asyncio import Future
from collections import deque
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from shared.providers.errors import Unreachable
from shared.providers.transport.connection import Connection, Response, header_block
from shared.providers.transport.urls import is_public

__all__ = ["Connection", "NoConnection", "Response", "Wire", "header_block", "tls"]

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BACKOFF: Final = (0.05, 2.0)
"""Seconds before another attempt to connect: the first pause, doubled up to the last."""


class NoConnection(Unreachable):
    """No warm connection is free. One is being opened; nothing was written.

    `failing`: whether the last attempt to open one failed, so the next will probably fail too.
    """

    def __init__(self, sentence: str, *, failing: bool = False) -> None:
        super().__init__(sentence)
        self.failing = failing


@cache
def tls() -> ssl.SSLContext:
    """The process's TLS client context: the system's authorities, names checked."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Wire:
    """The connections to one origin, such as https://api.example.com. Belongs to one event loop.

    `timeout` is (connect, read) in seconds; read counts from the write to the whole answer.
    Connections idle for `idle_seconds` (or a second less than the server announces) are closed, so
    that no request is written to one the server is about to close. With `public_only`, a
    connection to a private network is closed before anything is written.
    """

    def __init__(
        self,
        origin: str,
        *,
        timeout: tuple[float, float],
        max_connections: int = 256,
        idle_seconds: float = 30.0,
        public_only: bool = False,
        context: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(origin)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{origin!r} is not an http(s) origin")
        self._host = parts.hostname
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._tls = (context or tls()) if parts.scheme == "https" else None
        self._host_header = parts.netloc.rpartition("@")[2].encode("idna")
        self._connect_timeout, self._read_timeout = timeout
        self._max = max_connections
        self._idle_seconds = idle_seconds
        self._public_only = public_only
        self._idle: list[Connection] = []  # newest last, taken from the end: the others age
        self._busy: dict[Connection, None] = {}  # oldest request first
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: deque[Future[Connection]] = deque()
        self._ticker: asyncio.TimerHandle | None = None
        self._failures = 0
        self._not_before = 0.0
        self._closed = False
        self.trouble: str | None = None
        """Why the last attempt to connect failed; None after a success."""

    # -- for the send path: these never wait -------------------------------------------------

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self) -> Connection | None:
        """A warm connection; None if there is none, and one is opened. `give_back` it if unused."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_until > now and connection.usable():
                return connection
            connection.abort()
        self.warm(1)
        return None

    def give_back(self, connection: Connection) -> None:
        """Return a connection that was taken and not written to."""
        if not connection.busy:
            self._offer(connection)

    def warm(self, count: int) -> None:
        """Open connections until `count` are idle or being opened, within the bound."""
        loop = asyncio.get_running_loop()
        if self._closed or loop.time() < self._not_before:
            return
        missing = count - len(self._idle) - len(self._connecting)
        room = self._max - len(self._open) - len(self._connecting)
        for _ in range(min(missing, room)):
            task = loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    # -- for everything else -----------------------------------------------------------------

    async def connection(self) -> Connection:
        """A connection, waited for up to the connect time-out. Raises NoConnection."""
        found = self.take()
        if found is not None:
            return found
        if not self._connecting and not self._busy:
            raise self.no_connection()  # pausing after a failure
        waiter: Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self.warm(len(self._waiting))
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await waiter
        except TimeoutError:
            self._take_back(waiter)
            raise self.no_connection() from None
        except asyncio.CancelledError:
            self._take_back(waiter)
            raise

    def no_connection(self) -> NoConnection:
        """The error to raise when `take` gave nothing, with the reason if there is one."""
        why = f" ({self.trouble})" if self.trouble else ""
        return NoConnection(
            f"Nothing was sent: no connection to {self._host} yet{why}.",
            failing=self.trouble is not None,
        )

    async def close(self) -> None:
        """Close all connections; requests in flight end as Unknown. Safe to call twice."""
        self._closed = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for connection in list(self._open):
            connection.abort("we were closing down")
        for _ in range(100):
            if not self._open:
                break
            await asyncio.sleep(0)
        self._refuse_waiting()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    # -- called by the connections --------------------------------------------------------------

    def written(self, connection: Connection) -> None:
        """Note the deadline of a request that was written."""
        connection.deadline = asyncio.get_running_loop().time() + self._read_timeout
        self._busy[connection] = None
        self._tick_soon()

    def released(self, connection: Connection) -> None:
        """Take back a connection whose answer is complete, or forget a closed one."""
        self._busy.pop(connection, None)
        if not connection.closed:
            self._rest(connection)
            return
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    # -- in private --------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(loop, self, host=self._host_header)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._dial(connection)
        except (OSError, UnicodeError, Unreachable) as error:
            connection.abort()
            self._failed(_reason(error), at=loop.time())
            return
        except asyncio.CancelledError:
            connection.abort()
            raise
        self._failures, self._not_before, self.trouble = 0, 0.0, None
        if connection in self._open:
            self._rest(connection)

    async def _dial(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: connection, self._host, self._port)
        if connection.closed:
            raise ConnectionResetError("closed as soon as it was opened")
        self._open.add(connection)
        if self._public_only and not is_public(connection.peer):
            raise Unreachable(f"{connection.peer} is not a public address")
        if self._tls is not None:
            secured = await loop.start_tls(
                transport, connection, self._tls, server_hostname=self._host
            )
            if secured is None:
                raise ConnectionResetError("closed during the TLS handshake")
            connection.secured(secured)

    def _failed(self, why: str, *, at: float) -> None:
        self.trouble = why
        self._not_before = at + min(BACKOFF[0] * 2**self._failures, BACKOFF[1])
        self._failures = min(self._failures + 1, 16)
        if len(self._connecting) <= 1 and not self._busy:  # no other attempt is under way
            self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(self.no_connection())

    def _take_back(self, waiter: "Future[Connection]") -> None:
        """Keep the connection of a waiter that gave up as it was served."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self._offer(waiter.result())

    def _rest(self, connection: Connection) -> None:
        """Start its idle time: it is new, or its answer is complete."""
        keep = self._idle_seconds
        if connection.keep_alive is not None:
            keep = min(keep, connection.keep_alive - 1.0)
        connection.idle_until = asyncio.get_running_loop().time() + keep
        self._offer(connection)

    def _offer(self, connection: Connection) -> None:
        """Give it to a waiter, else put it among the idle ones."""
        if self._closed or connection.closed:
            connection.abort()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)
        self._tick_soon()

    def _tick_soon(self) -> None:
        # One timer for all deadlines: a timer per request costs more than the request's parsing.
        if self._ticker is None:
            step = min(0.25, self._read_timeout / 4, self._idle_seconds / 4)
            self._ticker = asyncio.get_running_loop().call_later(step, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = asyncio.get_running_loop().time()
        for connection in list(self._busy):
            if connection.deadline > now:
                break  # requests are in the order in which they were written
            connection.abort(f"no answer within {self._read_timeout:g} s")
        for connection in [c for c in self._idle if c.idle_until <= now]:
            self._idle.remove(connection)
            connection.abort()
        if self._busy or self._idle:
            self._tick_soon()


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "connecting took too long"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return str(error) or type(error).__name__
