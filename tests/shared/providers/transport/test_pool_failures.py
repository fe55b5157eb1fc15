"""Errors say whether a byte was written: Unreachable if not, Unknown if so."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from shared.providers.errors import Unknown, Unreachable
from shared.providers.transport.pool import NoConnection
from tests.shared.providers.stub import Stub, hangs, listener, post, warmed, wire


def closes_in_mid_body(_: object, transport: Any) -> None:
    transport.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
    transport.close()


def resets(_: object, transport: Any) -> None:
    transport.abort()


def talks_nonsense(_: object, transport: Any) -> None:
    transport.write(b"220 smtp.example.org ESMTP\r\n")


def says_far_too_much(_: object, transport: Any) -> None:
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)


@pytest.mark.parametrize(
    "misbehaviour", [hangs, closes_in_mid_body, resets, talks_nonsense, says_far_too_much]
)
def test_after_the_write_every_failure_is_unknown(
    run: Callable[..., Any], misbehaviour: Callable[..., Any]
) -> None:
    async def scene() -> tuple[int, int]:
        async with Stub(misbehaviour) as server:
            pool = wire(server.url, timeout=(1.0, 0.2))
            with pytest.raises(Unknown):
                await post(pool)
            left = pool.idle
            await pool.close()
            return len(server.requests), left

    assert run(scene()) == (1, 0)


def test_a_refused_connection_is_unreachable_and_tells_why(run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    async def scene() -> NoConnection:
        pool = wire(url)
        with pytest.raises(NoConnection, match="Nothing was sent") as refusal:
            await pool.connection()
        with pytest.raises(NoConnection):
            await pool.connection()  # at once: it pauses before it dials again
        assert pool.take() is None
        await pool.close()
        return refusal.value

    refusal = run(scene())

    assert isinstance(refusal, Unreachable)
    assert "refused" in str(refusal).lower() or "connect" in str(refusal).lower()


def test_a_host_that_never_answers_the_handshake_is_unreachable(run: Callable[..., Any]) -> None:
    server, url = listener()  # accepts by its backlog, and never speaks TLS

    async def scene() -> None:
        pool = wire(url.replace("http", "https"), timeout=(0.2, 1.0))
        with pytest.raises(NoConnection):
            await pool.connection()
        await pool.close()

    with server:
        run(scene())


def test_a_server_that_is_down_is_not_hammered(run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    async def scene() -> int:
        pool, dialled = wire(url), []
        dial = pool._dial
        pool._dial = lambda connection: dialled.append(1) or dial(connection)  # type: ignore[func-returns-value, method-assign]
        for _ in range(100):
            pool.take()
            await asyncio.sleep(0.001)
        await pool.close()
        return len(dialled)

    assert 1 <= run(scene()) <= 10


def test_it_connects_again_after_the_server_has_come_back(run: Callable[..., Any]) -> None:
    server, url = listener()
    port = server.getsockname()[1]
    server.close()

    async def scene() -> Any:
        pool = wire(url)
        with pytest.raises(NoConnection):
            await pool.connection()
        back = socket.create_server(("127.0.0.1", port))
        try:
            await asyncio.sleep(0.06)  # longer than the first pause
            await warmed(pool)
            return pool.trouble
        finally:
            await pool.close()
            back.close()

    assert run(scene()) is None
