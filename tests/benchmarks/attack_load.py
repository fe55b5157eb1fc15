"""Clients that ask nothing and cost as much as they can, from one address, until they are killed.

Runs as a process of its own: `python -m tests.benchmarks.attack_load PORT KIND`. Whoever is closed
comes again.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

CLIENTS = 300
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def endless_header(connection: Connection) -> None:
    """A header that never ends."""
    _, writer = connection
    writer.write(b"GET /healthz HTTP/1.1\r\nX-Long: ")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


async def silent(connection: Connection) -> None:
    """A connection that says nothing."""
    await connection[0].read()


async def dripping(connection: Connection) -> None:
    """A callback's body that comes byte by byte."""
    _, writer = connection
    writer.write(b"POST /webhooks/twilio/status HTTP/1.1\r\nContent-Length: 60000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.5)


async def wrong_key(connection: Connection) -> None:
    """Requests with a key that opens nothing."""
    reader, writer = connection
    for _ in range(20):
        writer.write(b"GET /api/agents HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\n\r\n")
        await reader.readuntil(b"}}")
        await asyncio.sleep(0.5)


async def unread(connection: Connection) -> None:
    """Answers that nobody reads."""
    _, writer = connection
    for _ in range(50):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(5)


async def sent_ahead(connection: Connection) -> None:
    """Requests of all sorts before the first is answered; the answers are read."""
    reader, writer = connection
    for path in ("/healthz", "/nowhere", "/api/campaigns", "/metrics") * 12:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\n\r\n".encode())
    writer.write(b"GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while await reader.read(65536):
        pass


KINDS: dict[str, Callable[[Connection], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (endless_header, silent, dripping, wrong_key, unread, sent_ahead)
}


async def attack(port: int, kind: str) -> None:
    """So many clients at a time, for ever."""

    async def client() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                connection = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await KINDS[kind](connection)
                finally:
                    connection[1].transport.abort()
            await asyncio.sleep(0.05)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(attack(int(sys.argv[1]), sys.argv[2]))
