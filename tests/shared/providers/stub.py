"""A small HTTP server whose every misbehaviour is written out in the test that needs it."""

import asyncio
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from shared.providers.transport.connection import Response
from shared.providers.transport.pool import Wire, header_block
from tests.support.eventually import until

HEADERS = header_block({"Accept": "application/json"})


@dataclass
class Request:
    method: str
    path: str
    headers: dict[Any, Any]
    body: bytes
    connection: int


@dataclass
class Stub:
    """Answers each request with what `answer(request, transport)` returns or writes by itself."""

    answer: object
    requests: list[Any] = field(default_factory=list)
    connections: int = 0
    open: set[Any] = field(default_factory=set)
    url: str = ""

    async def __aenter__(self) -> "Stub":
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: _Side(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for transport in list(self.open):
            transport.abort()
        await asyncio.sleep(0)


class _Side(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self.stub, self.buffer = stub, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.stub.connections += 1
        self.number = self.stub.connections
        self.stub.open.add(transport)

    def connection_lost(self, error: ConnectionResetError | None) -> None:  # type: ignore[override]
        self.stub.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        line, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = line.split(" ")
        request = Request(method, path, headers, rest[:length], self.number)
        self.stub.requests.append(request)
        said = self.stub.answer(request, self.transport)  # type: ignore[operator]
        if said is not None:
            self.transport.write(said)


def reply(
    status: int = 201,
    body: bytes | dict[str, dict[str, str] | list[Any]] | dict[str, Any] = b"{}",
    **headers: Any,
) -> bytes:
    """A whole answer with a Content-Length. Underscores in header names become dashes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def hangs(_: object, transport: Any) -> None:
    """Never answers."""


def wire(url: str, **changes: Any) -> Wire:
    return Wire(url, **{"timeout": (1.0, 1.0), **changes})


async def warmed(pool: Wire, count: int = 1) -> None:
    pool.warm(count)
    await until(lambda: pool.idle >= count, seconds=3)


async def post(pool: Wire, body: bytes = b"To=1") -> Response:
    connection = await pool.connection()
    return await connection.request("POST", "/x", headers=HEADERS, body=body)


def listener() -> tuple[Any, str]:
    """A listening socket without an event loop, and its address."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(3)
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"
