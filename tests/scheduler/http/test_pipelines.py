"""One request of a connection at a time, in order, and nobody crowds out the others."""

import asyncio
import http.client
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from scheduler.http import turns
from shared import metrics
from tests.support.eventually import eventually
from tests.support.fair import serving

#: In a body, it is no request.
_DECOY = b"GET /decoy HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"\r\n\r\n" * 50


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def _posted(path: str, body: bytes, *, chunked: bool) -> bytes:
    if chunked:
        told = b"Transfer-Encoding: chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        told = b"Content-Length: %d" % len(body)
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + told + b"\r\n\r\n" + body


class App:
    """Answers with the path and the size of the body, padded to `size` bytes; keeps a log."""

    def __init__(self, *, size: int = 0, busy: float = 0.0) -> None:
        self.log: list[str] = []
        self._size, self._busy = size, busy
        self.at_work = self.most_at_work = 0

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        path = scope["path"]
        self.log.append(path)
        self.at_work += 1
        self.most_at_work = max(self.at_work, self.most_at_work)
        if path.startswith("/stuck"):
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        time.sleep(self._busy)  # as it is with work that is ours: the loop stands still
        length, more = 0, scope["method"] == "POST"
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        await asyncio.sleep(0)
        body = f"{path} {length};".encode().ljust(self._size)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.at_work -= 1


def _answers(connection: socket.socket, count: int) -> list[str]:
    """So many answers' paths and sizes of bodies, in the order they came in."""
    read = b""
    while len(found := re.findall(rb"(/\S+ \d+);", read)) < count:
        more = connection.recv(1 << 16)
        assert more, f"closed after {found}"
        read += more
    return [one.decode() for one in found]


@pytest.mark.parametrize("cut", [1, 7, 100, 5000, 1 << 20])
def test_what_is_sent_ahead_is_answered_whole_and_in_order_however_it_is_cut(
    connected: Callable[..., Any], cut: int
) -> None:
    sent, expected = b"", []
    for n in range(10):
        sent += _get(f"/get/{n}")
        sent += _posted(f"/whole/{n}", _DECOY, chunked=False)
        sent += _posted(f"/chunked/{n}", _DECOY, chunked=True)
        size = len(_DECOY)
        expected += [f"/get/{n} 0", f"/whole/{n} {size}", f"/chunked/{n} {size}"]
    app = App()
    with serving(app, pipelined=1000) as address:
        connection = connected(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), cut):
            connection.send(sent[start : start + cut])

        assert _answers(connection, len(expected)) == expected
        assert app.most_at_work == 1
        connection.sendall(_get("/after"))
        assert _answers(connection, 1) == ["/after 0"]


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz", "/webhooks/twilio/status"])
@pytest.mark.parametrize("asked", ["/healthz", "/webhooks/twilio/status", "/api/agents"])
def test_whatever_is_asked_ahead_the_others_do_not_wait_for_it(
    connected: Callable[..., Any], path: str, asked: str
) -> None:
    app = App(busy=0.0005)
    with serving(app) as address:
        crowd = [connected(address) for _ in range(100)]
        other = http.client.HTTPConnection(*address, timeout=20)
        other.connect()
        for one in crowd:
            one.sendall(_get(path) * 40)
        eventually(lambda: len(app.log) >= 500, seconds=60, every=0.001)
        before = len(app.log)
        other.request("GET", f"{asked}?other")
        other.getresponse().read()
        meanwhile = len(app.log) - before
        other.close()

        # Of each turn of the loop it is four, and would be a hundred.
        assert meanwhile < 100


def test_callbacks_and_health_do_not_wait_for_those_who_have_all_the_turns(
    connected: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_MOST", 3600.0)
    with serving(app := App()) as address:
        stuck = [connected(address) for _ in range(100)]
        for one in stuck:
            one.sendall(_get("/stuck"))
        eventually(lambda: len(app.log) >= turns.AT_WORK[turns.Lane.PLAIN], seconds=60)
        for path in ("/healthz", "/webhooks/twilio/status"):
            asking = connected(address)
            asking.sendall(_get(path))
            assert _answers(asking, 1) == [f"{path} 0"]

        assert len(app.log) == turns.AT_WORK[turns.Lane.PLAIN] + 2
        for one in stuck:
            one.close()


def test_who_does_not_read_is_not_worked_for_and_gets_all_answers_when_he_does(
    connected: Callable[..., Any],
) -> None:
    app = App(size=50_000)
    paths = [f"/{n}" for n in range(60)]
    with serving(app) as address:
        connection = connected(address)
        connection.sendall(b"".join(map(_get, paths)))
        asking = connected(address)
        before, worked = -1, 0
        while before != worked:  # until it is no longer worked for
            before = worked
            for _ in range(100):
                asking.sendall(_get("/other"))
                _read(asking, 50_000)
            worked = len([path for path in app.log if path != "/other"])

        assert worked < 20
        assert _answers(connection, 60) == [f"{path} 0" for path in paths]


def test_the_next_is_not_begun_before_the_last_answer_has_left(
    connected: Callable[..., Any],
) -> None:
    paths = ["/first", "/second", "/third"]
    with serving(app := App(size=20_000_000)) as address:
        connection = connected(address)
        connection.sendall(b"".join(map(_get, paths)))
        asking = connected(address)
        for _ in range(3):
            asking.sendall(_get("/other"))
            _read(asking, 20_000_000)

        assert [path for path in app.log if path != "/other"] == ["/first"]
        with connection.makefile("rb") as answers:
            for path in paths:
                while answers.readline() != b"\r\n":
                    pass
                assert answers.read(20_000_000).split()[0] == path.encode()


@pytest.mark.parametrize(("ahead", "answered"), [(5, True), (6, False)])
def test_not_more_is_taken_ahead_than_may_be(
    connected: Callable[..., Any], ahead: int, answered: bool
) -> None:
    with serving(app := App(), pipelined=5) as address:
        connection = connected(address)
        connection.sendall(_get("/x") * (1 + ahead))
        if answered:
            assert len(_answers(connection, 1 + ahead)) == 1 + ahead
        else:
            with pytest.raises((AssertionError, ConnectionResetError)):
                _answers(connection, 1 + ahead)

    assert len(app.log) == (1 + ahead if answered else 1)


def test_who_does_not_read_for_too_long_is_closed(connected: Callable[..., Any]) -> None:
    closed = metrics.connections_closed.labels("unread")
    before = closed._value.get()
    with serving(App(size=50_000), wait=1.0) as address:
        silent = connected(address)
        silent.sendall(_get("/x") * 60)
        eventually(lambda: closed._value.get() - before, becomes=1, seconds=30)
        with pytest.raises((AssertionError, ConnectionResetError)):
            _answers(silent, 60)


def test_who_does_not_read_makes_room_before_anybody_else(connected: Callable[..., Any]) -> None:
    app = App(size=50_000)
    with serving(app, connections=3, wait=60.0) as address:
        silent = [connected(address) for _ in range(2)]
        unread = connected(address)
        unread.sendall(_get("/x") * 60)
        before = -1
        while before != len(app.log) or not app.log:
            before = len(app.log)
            time.sleep(0.2)
        latest = connected(address)
        for one in [*silent, latest]:
            one.sendall(_get("/served"))
            assert _read(one, 50_000).startswith(b"HTTP/1.1 200 OK")
        with pytest.raises((AssertionError, ConnectionResetError)):
            _answers(unread, 60)


def test_what_was_sent_ahead_of_a_closing_answer_is_not_worked_for(
    connected: Callable[..., Any],
) -> None:
    with serving(app := App()) as address:
        connection = connected(address)
        closing = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(_get("/first") + closing + _get("/never"))
        read = b""
        while more := connection.recv(1 << 16):
            read += more

    assert re.findall(rb"(/\S+) \d+;", read) == [b"/first", b"/last"]
    assert app.log == ["/first", "/last"]


def _read(connection: socket.socket, size: int) -> bytes:
    """The beginning of an answer whose body has so many bytes; all of it is taken."""
    begun = b""
    while b"\r\n\r\n" not in begun:
        begun += _more(connection)
    left = size - len(begun.partition(b"\r\n\r\n")[2])
    while left > 0:
        left -= len(_more(connection))
    return begun


def _more(connection: socket.socket) -> bytes:
    more = connection.recv(1 << 16)
    assert more, "closed"
    return more
