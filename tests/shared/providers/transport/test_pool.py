"""The HTTP transport: a connection in hand, a write that happens now, errors that say if it did."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.providers.errors import Unknown
from shared.providers.transport.connection import Response
from shared.providers.transport.pool import NoConnection, header_block
from tests.shared.providers.stub import (
    HEADERS,
    Stub,
    hangs,
    listener,
    post,
    reply,
    warmed,
    wire,
)
from tests.support.eventually import until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def test_a_warm_connection_carries_one_request_after_the_other(run: Callable[..., Any]) -> None:
    async def scene() -> tuple[Stub, list[Response]]:
        async with Stub(lambda *_: reply(201, b"made", Retry_After=7)) as server:
            pool = wire(server.url)
            answers = [await post(pool, b"n=%d" % n) for n in range(3)]
            await pool.close()
            return server, answers

    server, answers = run(scene())

    assert [(a.status, a.body, a.headers["retry-after"]) for a in answers] == [
        (201, b"made", "7")
    ] * 3
    assert [r.body for r in server.requests] == [b"n=0", b"n=1", b"n=2"]
    assert server.connections == 1


def test_taking_never_waits_and_asks_for_a_connection_when_there_is_none(
    run: Callable[..., Any],
) -> None:
    async def scene() -> Any:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url)
            first = pool.take()
            await warmed(pool)
            second = pool.take()
            third = pool.take()
            await pool.close()
            return first, second, third

    first, second, third = run(scene())

    assert first is None
    assert second is not None
    assert third is None


def test_warming_opens_what_is_missing_and_never_more_than_the_bound(
    run: Callable[..., Any],
) -> None:
    async def scene() -> tuple[int, int]:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url, max_connections=3)
            await warmed(pool, 2)
            pool.warm(2)
            await asyncio.sleep(0.02)
            at_two = server.connections
            pool.warm(50)
            await asyncio.sleep(0.05)
            await pool.close()
            return at_two, server.connections

    at_two, at_the_bound = run(scene())

    assert at_two == 2
    assert at_the_bound == 3


def test_a_request_is_on_the_wire_before_the_call_returns(run: Callable[..., Any]) -> None:
    # uvloop may collect writes until the loop turns; then every check of lateness would be a lie.
    server, url = listener()

    async def scene() -> bytes:
        pool = wire(url)
        await warmed(pool)
        peer, _ = server.accept()
        peer.settimeout(3)
        answer = pool.take().request("POST", "/now", headers=HEADERS, body=b"a=1")  # type: ignore[union-attr]
        seen = peer.recv(4096)  # blocks: the event loop does not turn between write and read
        peer.close()
        with pytest.raises(Unknown):
            await answer
        await pool.close()
        return seen

    with server:
        seen = run(scene())

    assert seen.startswith(b"POST /now HTTP/1.1\r\nHost: 127.0.0.1:")
    assert seen.endswith(b"\r\nContent-Length: 3\r\n\r\na=1")


def test_a_connection_the_peer_closed_while_the_loop_was_frozen_is_not_taken(
    run: Callable[..., Any],
) -> None:
    server, url = listener()

    async def scene() -> Any:
        pool = wire(url)
        await warmed(pool)
        peer, _ = server.accept()
        peer.close()  # and no turn of the loop in which we could have been told
        taken = pool.take()
        await pool.close()
        return taken

    with server:
        assert run(scene()) is None


def test_a_connection_that_was_idle_too_long_is_closed_and_not_taken(
    run: Callable[..., Any],
) -> None:
    async def scene() -> Any:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url, idle_seconds=0.05)
            await warmed(pool)
            await until(lambda: not server.open, seconds=3)
            taken = pool.take()
            await pool.close()
            return taken

    assert run(scene()) is None


def test_a_refused_gate_does_not_make_a_connection_young_again(run: Callable[..., Any]) -> None:
    async def scene() -> tuple[bool, bool]:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url)
            await warmed(pool)
            connection = pool.take()
            before = connection.idle_until  # type: ignore[union-attr]
            await asyncio.sleep(0.02)
            pool.give_back(connection)  # type: ignore[arg-type]
            again = pool.take()
            await pool.close()
            return connection is again, again.idle_until == before  # type: ignore[union-attr]

    assert run(scene()) == (True, True)


def test_a_server_that_announces_a_short_keep_alive_is_believed(run: Callable[..., Any]) -> None:
    async def scene() -> Any:
        async with Stub(lambda *_: reply(Keep_Alive="timeout=1, max=100")) as server:
            pool = wire(server.url)
            await post(pool)
            taken = pool.take()
            await pool.close()
            return taken

    assert run(scene()) is None


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (CHUNKED, b"abcde"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", b"y"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)  # fmt: skip
def test_every_framing_of_http_is_read(run: Callable[..., Any], answer: bytes, body: bytes) -> None:
    def answering(_: object, transport: Any) -> None:
        transport.write(answer)
        if b"1.0" in answer or b"close" in answer:
            transport.close()

    async def scene() -> tuple[Response, Response]:
        async with Stub(answering) as server:
            pool = wire(server.url)
            first, second = await post(pool), await post(pool)
            await pool.close()
            return first, second

    first, second = run(scene())

    assert first.body == second.body == body


def test_an_answer_that_comes_in_single_bytes_is_read(run: Callable[..., Any]) -> None:
    async def dripped(transport: Any) -> None:
        for byte in reply(200, b"slow"):
            transport.write(bytes([byte]))
            await asyncio.sleep(0)

    async def scene() -> Response:
        tasks = []
        drip = lambda _, t: tasks.append(asyncio.ensure_future(dripped(t)))  # noqa: E731
        async with Stub(drip) as server:
            pool = wire(server.url)
            answer = await post(pool)
            await asyncio.gather(*tasks)
            await pool.close()
            return answer

    assert run(scene()).body == b"slow"


def test_a_second_answer_to_one_request_is_never_taken_for_the_next_one(
    run: Callable[..., Any],
) -> None:
    async def scene() -> tuple[list[bytes], int]:
        first_only = [reply(200, b"mine") + reply(200, b"smuggled")]
        async with Stub(
            lambda *_: first_only.pop() if first_only else reply(200, b"own")
        ) as server:
            pool = wire(server.url)
            answers = [(await post(pool)).body for _ in range(2)]
            await pool.close()
            return answers, server.connections

    assert run(scene()) == ([b"mine", b"own"], 2)


def test_a_caller_who_gives_up_leaves_a_clean_connection_behind(run: Callable[..., Any]) -> None:
    async def scene() -> tuple[int, int]:
        late = []
        async with Stub(lambda _, t: late.append(t)) as server:
            pool = wire(server.url)
            await warmed(pool)
            answer = pool.take().request("POST", "/x", headers=HEADERS)  # type: ignore[union-attr]
            answer.cancel()
            await until(lambda: late, seconds=3)
            busy = pool.idle
            late[0].write(reply(200, b"nobody waits"))
            await until(lambda: pool.idle, seconds=3)
            connections = server.connections
            await pool.close()
            return busy, connections

    assert run(scene()) == (0, 1)


def test_closing_ends_calls_in_flight_as_unknown(run: Callable[..., Any]) -> None:
    async def scene() -> None:
        async with Stub(hangs) as server:
            pool = wire(server.url)
            call = asyncio.ensure_future(post(pool))
            await until(lambda: server.requests, seconds=3)
            await pool.close()
            with pytest.raises(Unknown):
                await call

    run(scene())


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/ü", "/\x00"])
def test_a_path_that_would_split_the_request_is_never_written(
    run: Callable[..., Any], path: str
) -> None:
    async def scene() -> list[Any]:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url)
            await warmed(pool)
            with pytest.raises(ValueError, match="path"):
                pool.take().request("GET", path, headers=HEADERS)  # type: ignore[union-attr]
            await pool.close()
            return server.requests

    assert run(scene()) == []


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        header_block({"Authorization": "x\r\nX-Evil: 1"})


def test_a_peer_in_a_private_network_is_hung_up_on_before_a_byte_is_written(
    run: Callable[..., Any],
) -> None:
    async def scene() -> list[Any]:
        async with Stub(lambda *_: reply()) as server:
            pool = wire(server.url, public_only=True)
            with pytest.raises(NoConnection, match="not a public address"):
                await pool.connection()
            await pool.close()
            return server.requests

    assert run(scene()) == []
