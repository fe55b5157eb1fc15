"""The HTTP client that posts callbacks: keep-alive connections, pooled by origin, nothing more.

It repeats nothing and signs nothing: how a callback is signed, and when it is tried again, are the
provider's own rules.
"""

import asyncio
import math
import re
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, cast

import httptools

URL = re.compile(
    r"(https?)://(?:[^/?#@]*@)?(\[[^\]]+\]|[^/?#:]+)(?::(\d+))?([^#]*)(?:#(.*))?", re.S
)
SWEEP = 0.05  # seconds between two looks for calls whose time is over


class Failure(StrEnum):
    """Why there was no answer."""

    CONNECT = "no connection"
    READ = "no answer in time"
    BROKEN = "connection broken"


Outcome = int | Failure
"""What became of a call: an HTTP status, or why there was none."""


class Origin(NamedTuple):
    secure: bool
    host: str
    port: int


class Target(NamedTuple):
    """A URL taken apart. `path` has the query, `host` is what the Host header says."""

    origin: Origin
    host: str
    path: str
    fragment: str


class Call(ABC):
    """One request to one origin. `connect` and `read` are time-outs in seconds."""

    __slots__ = ("connect", "data", "origin", "read")

    origin: Origin
    data: bytes
    connect: float
    read: float

    @abstractmethod
    def done(self, outcome: int | Failure) -> None:
        """Called once for each sending, with the HTTP status or why there is none."""


class Post(Call):
    """A POST of `body` to `url`, with these headers; its outcome is told to `told`.

    Host and Content-Length are written here. The URL's fragment is not sent.
    """

    __slots__ = ("_told",)

    def __init__(
        self, url: str, body: bytes, headers: Mapping[str, str], told: Callable[[Outcome], None],
        *, connect: float = 5.0, read: float = 15.0,
    ) -> None:  # fmt: skip
        target = target_of(url)
        lines = {"Host": target.host, **headers, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.origin, self.connect, self.read = target.origin, connect, read
        self.data = f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode() + body
        self._told = told

    def done(self, outcome: Outcome) -> None:
        self._told(outcome)


def target_of(url: str) -> Target:
    """Where a URL leads. Raises ValueError unless it is a whole http or https URL."""
    found = URL.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r} is no http or https URL; give a whole one")
    scheme, host, port, path, fragment = found.groups()
    secure = scheme == "https"
    origin = Origin(secure, host.strip("[]"), int(port or (443 if secure else 80)))
    path = path if path.startswith("/") else "/" + path
    return Target(origin, f"{host}:{port}" if port else host, path, fragment or "")


class Line(asyncio.Protocol):
    """One connection, carrying one call at a time."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._heard = self._used = False
        self._status: int | None = None
        self.call: Call | None = None
        self.deadline = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def carry(self, call: Call, now: float) -> None:
        """Write the call; its outcome comes when the answer does, or the time is over."""
        assert self._transport is not None
        self.call, self._heard, self._status = call, False, None
        self.deadline = now + call.read
        self._transport.write(call.data)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self.call is not None:
            self.deadline = self._pool.now() + self.call.read  # starts again with every packet
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        call, self.call = self.call, None
        self._used, self.deadline = True, math.inf
        keep = self._parser.should_keep_alive()
        self._pool.freed(self, keep=keep)
        if call is not None:
            call.done(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        call, self.call = self.call, None
        self._pool.lost(self)
        if call is None:
            return
        if self._used and not self._heard:
            # The server closed an idle connection just as it was used again: a fresh one decides.
            self._pool.fresh(call)
        elif self._status is not None and self._status >= 200:
            call.done(self._status)  # an answer without a length ends with its connection
        else:
            call.done(Failure.BROKEN)

    def give_up(self) -> None:
        """The time is over."""
        call, self.call = self.call, None
        self.close()
        if call is not None:
            call.done(Failure.READ)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()


class Pool:
    """The connections to one origin: at most `limit()`, the last one freed is used first."""

    def __init__(self, origin: Origin, limit: Callable[[], int]) -> None:
        self._origin = origin
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._idle: list[Line] = []
        self._busy: set[Line] = set()
        self._waiting: deque[Call] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self.now = self._loop.time

    def send(self, call: Call) -> None:
        """Carry the call now, on a new connection, or when one becomes free."""
        while self._idle:
            line = self._idle.pop()
            if line.open:
                self._carry(line, call)
                return
        if len(self._busy) + len(self._connecting) < self._limit():
            self.fresh(call)
        else:
            self._waiting.append(call)

    def fresh(self, call: Call) -> None:
        """Carry the call on a connection of its own."""
        task = self._loop.create_task(self._connect(call))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def freed(self, line: Line, *, keep: bool) -> None:
        self._busy.discard(line)
        if keep and line.open:
            self._idle.append(line)
        else:
            line.close()
        if self._waiting:
            self.send(self._waiting.popleft())

    def lost(self, line: Line) -> None:
        self._busy.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        if self._waiting:
            self.send(self._waiting.popleft())

    def waiting(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._waiting.clear()
        for task in self._connecting:
            task.cancel()
        for line in (*self._busy, *self._idle):
            line.call = None
            line.close()

    async def _connect(self, call: Call) -> None:
        secure, host, port = self._origin
        context = ssl.create_default_context() if secure else None
        try:
            async with asyncio.timeout(call.connect):
                _, line = await self._loop.create_connection(
                    lambda: Line(self), host, port, ssl=context
                )
        except (OSError, TimeoutError):
            self._loop.call_soon(self._not_connected, call)
            return
        self._carry(line, call)

    def _carry(self, line: Line, call: Call) -> None:
        self._busy.add(line)
        line.carry(call, self.now())
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP, self._look)

    def _not_connected(self, call: Call) -> None:
        call.done(Failure.CONNECT)
        if self._waiting:
            self.send(self._waiting.popleft())

    def _look(self) -> None:
        now = self.now()
        for line in [line for line in self._busy if line.deadline <= now]:
            line.give_up()
        # No timer runs while no call is under way.
        self._sweep = self._loop.call_later(SWEEP, self._look) if self._busy else None


class Client:
    """Posts calls wherever they go."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._pools: dict[Origin, Pool] = {}

    def send(self, call: Call) -> None:
        pool = self._pools.get(call.origin)
        if pool is None:
            pool = self._pools[call.origin] = Pool(call.origin, self._limit)
        pool.send(call)

    def waiting(self) -> int:
        """Calls for which no connection is free."""
        return sum(pool.waiting() for pool in self._pools.values())

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
