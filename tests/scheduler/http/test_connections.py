"""What a stranger may cost who has not asked anything yet."""

import time
from collections.abc import Callable
from socket import socket
from typing import Any

import pytest

from tests.support import fair

_GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


async def _app(
    scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
) -> None:
    """Answers with the number of bytes of the body."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serving(**bounds: Any) -> Any:
    """The app behind these bounds; gives its address."""
    return fair.serving(_app, **bounds)


def _answer(connection: socket) -> str:
    """What the server says, as text; empty when it just closes."""
    try:
        return connection.recv(4096).decode()
    except ConnectionResetError:
        return ""


def _asked(connection: socket, request: bytes = _GET) -> str:
    connection.sendall(request)
    return _answer(connection)


def _is_closed(connection: socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_header_that_never_ends_is_refused_before_it_is_kept(
    connected: Callable[..., Any],
) -> None:
    with serving() as address:
        connection = connected(address)
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        sent = 0
        with pytest.raises(OSError):  # reset, or a broken pipe
            while sent < 300_000_000:
                sent += connection.send(b"a" * 65536)

        assert sent < 20_000_000  # what the two ends' socket buffers hold, not the header
        assert "200 OK" in _asked(connected(address))


@pytest.mark.parametrize(("lines", "status"), [(99, "200 OK"), (100, "431 "), (5000, "431 ")])
def test_a_head_has_a_hundred_lines_at_the_most(
    connected: Callable[..., Any], lines: int, status: str
) -> None:
    more = b"".join(b"X-%d: 1\r\n" % n for n in range(lines))
    with serving() as address:
        answer = _asked(connected(address), b"GET / HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")

    assert status in answer
    assert ("head_too_large" in answer) == (status == "431 ")


@pytest.mark.parametrize(
    "endless",
    [
        b"a" * 100_000,  # no method at all
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 50_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 200_000,
        _GET * 20_000,
    ],
    ids=["method", "address", "lines", "chunk", "trailer", "pipeline"],
)
def test_nothing_endless_is_read_to_its_end(connected: Callable[..., Any], endless: bytes) -> None:
    with serving() as address:
        connection = connected(address)
        try:
            connection.sendall(endless)
            while _answer(connection):  # answers to what was whole, then the end
                pass
        except OSError:
            pass  # closed while it was still sending
        assert "200 OK" in _asked(connected(address))


@pytest.mark.parametrize("drip", [False, True])
def test_a_head_that_is_not_whole_in_time_is_closed_however_it_drips(
    connected: Callable[..., Any], drip: bool
) -> None:
    with serving(wait=1.0) as address:
        connection = connected(address)
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        connection.settimeout(0.2)
        closed, deadline = False, time.monotonic() + 30
        while not closed and time.monotonic() < deadline:
            try:
                if drip:
                    connection.sendall(b"a")
                closed = connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True

    assert closed


def test_a_body_is_waited_for_as_long_as_its_bytes_come(connected: Callable[..., Any]) -> None:
    with serving(wait=1.0) as address:
        slow = connected(address)
        slow.sendall(_POST % 20)
        for _ in range(20):  # four times as long as one may be silent
            slow.sendall(b"a")
            time.sleep(0.2)
        answered = _answer(slow)
        silent = connected(address)
        silent.sendall(_POST % 20 + b"a")

        assert answered.endswith("20")
        assert _is_closed(silent)


def test_when_there_are_too_many_the_one_silent_for_longest_makes_room(
    connected: Callable[..., Any],
) -> None:
    with serving(connections=5) as address:
        busy = connected(address)
        busy.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert "100 Continue" in _answer(busy)  # its head is whole, its body is waited for
        silent = [connected(address) for _ in range(5)]
        latest = connected(address)

        assert "200 OK" in _asked(latest)
        assert _is_closed(silent[0])
        assert "200 OK" in _asked(busy, b"ab")


def test_who_has_brought_a_whole_request_does_not_count_against_his_address(
    connected: Callable[..., Any],
) -> None:
    with serving(unproven=3) as address:
        proven = []
        for _ in range(10):
            proven.append(connected(address))
            assert "200 OK" in _asked(proven[-1])
        silent = [connected(address) for _ in range(4)]

        assert _is_closed(silent[0])
        assert all("200 OK" in _asked(connection) for connection in [*proven, silent[-1]])


def test_a_client_that_has_just_come_is_given_a_moment_to_speak(
    connected: Callable[..., Any],
) -> None:
    with serving(unproven=2, grace=60.0) as address:
        together = [connected(address) for _ in range(10)]

        assert all("200 OK" in _asked(connection) for connection in together)
