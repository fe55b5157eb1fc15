"""A second provider's simulator is made of the kit alone: here a toy one, over real HTTP."""

import re
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from deploy.simulators import kit
from deploy.simulators.kit.faults import Answer
from deploy.simulators.kit.http_client import Failure, Post, target_of
from deploy.simulators.kit.running import InThread
from tests.deploy.simulators.kit.toy import TOKEN, Toy, signature
from tests.support.eventually import eventually

TWILIOS = re.compile(
    r"(?i:twilio|carrier|messaging.?service|\bsids?\b|_sid\b|sid_|auth_?token)"
    r"|(?i:status_?callback|x-www-form|sha1)|\b(?:AC|MG|SM|MM|SK)[0-9a-fx]{4}|\b[236]\d{4}\b"
)


class Heard:
    """The callbacks that came in: (signature, body)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[tuple[str, bytes]] = []


@pytest.fixture
def heard() -> Iterator[Heard]:
    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((self.headers["X-Toy-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    kept = Heard(f"http://127.0.0.1:{server.server_address[1]}/cb?m=1#not-sent")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def create(
    toy: InThread, heard: Heard, *, fault: str = "", token: str = TOKEN, timeout: float = 20
) -> tuple[int, object]:
    """Ask the toy for a message: the HTTP status and the JSON of its answer."""
    connection = HTTPConnection("127.0.0.1", toy.port, timeout=timeout)
    order = {"to": "+1555", "text": "hi", "callback": heard.url, "fault": fault}
    try:
        connection.request(
            "POST", "/v1/messages", orjson.dumps(order), {"Authorization": f"Bearer {token}"}
        )
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())
    finally:
        connection.close()


def test_a_create_is_answered_called_back_with_a_signature_and_logged(heard: Heard) -> None:
    with InThread(Toy) as toy:
        assert create(toy, heard) == (202, {"id": 1, "text": "hi"})
        eventually(lambda: len(toy.callbacks()), becomes=1, seconds=20)

        assert toy.log() == [{"n": 1, "to": "+1555", "answer": "201", "accepted": True}]
        assert toy.callbacks() == [{"n": 1, "to": "+1555", "answer": "204"}]
    ((signed, body),) = heard.got
    assert (signed, orjson.loads(body)["status"]) == (signature(body), "delivered")


def test_a_strangers_token_makes_no_message(heard: Heard) -> None:
    with InThread(Toy) as toy:
        assert create(toy, heard, token="guessed") == (401, {"error": 401})
        assert toy.log() == []


@pytest.mark.parametrize(
    ("fault", "raises"),
    [
        (Answer.RESET_BEFORE, ConnectionResetError),
        (Answer.RESET_AFTER, ConnectionResetError),
        (Answer.HANG_BEFORE, TimeoutError),
        (Answer.HANG_AFTER, TimeoutError),
        (Answer.TRUNCATED, IncompleteRead),
        (Answer.SLOW_LORIS, TimeoutError),
    ],
)
def test_an_answer_is_lost_as_told_and_the_log_says_what_was_accepted(
    heard: Heard, fault: Answer, raises: type[Exception]
) -> None:
    with InThread(Toy) as toy:
        with pytest.raises(raises):
            create(toy, heard, fault=fault, timeout=0.2)

        (entry,) = toy.log()
        assert (entry["answer"], entry["accepted"]) == (fault.value, fault.accepts)
        if fault.accepts:
            eventually(lambda: len(heard.got), becomes=1, seconds=20)
    assert len(heard.got) == fault.accepts


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Answer.ERROR_BEFORE, 500), (Answer.ERROR_AFTER, 500), (Answer.THROTTLED, 429)],
)
def test_an_error_is_the_providers_own(heard: Heard, fault: Answer, status: int) -> None:
    with InThread(Toy) as toy:
        assert create(toy, heard, fault=fault) == (status, {"error": status})
        assert [entry["accepted"] for entry in toy.log()] == [fault.accepts]


def test_a_fault_is_drawn_by_its_rate(heard: Heard) -> None:
    with InThread(lambda: Toy({Answer.ERROR_BEFORE: 1.0})) as toy:
        assert create(toy, heard) == (500, {"error": 500})


def test_a_slow_answer_comes_whole_and_late(heard: Heard) -> None:
    with InThread(lambda: Toy(slow=0.3)) as toy:
        began = time.monotonic()

        assert create(toy, heard)[0] == 202
        assert time.monotonic() - began >= 0.3


def test_a_callback_that_nobody_takes_is_logged_with_the_reason() -> None:
    nobody = Heard("http://127.0.0.1:1/cb")
    with InThread(Toy) as toy:
        create(toy, nobody)
        eventually(lambda: len(toy.callbacks()), becomes=1, seconds=20)

        assert toy.callbacks()[0]["answer"] == Failure.CONNECT


def test_the_log_is_not_for_a_page_from_elsewhere(heard: Heard) -> None:
    with InThread(Toy) as toy:
        connection = HTTPConnection("127.0.0.1", toy.port, timeout=20)
        connection.request("GET", "/log", headers={"Origin": "https://evil.example"})
        assert connection.getresponse().status == 403
        connection.close()


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=10001", "limit=many"])
def test_a_page_of_the_log_that_cannot_be_is_refused(query: str) -> None:
    with InThread(Toy) as toy:
        connection = HTTPConnection("127.0.0.1", toy.port, timeout=20)
        connection.request("GET", f"/log?{query}")
        assert connection.getresponse().status == 400
        connection.close()


def test_a_url_that_leads_nowhere_is_named_so() -> None:
    assert target_of("https://[::1]:8443?x=1#rc=2") == (
        (True, "::1", 8443), "[::1]:8443", "/?x=1", "rc=2",
    )  # fmt: skip
    with pytest.raises(ValueError, match="give a whole one"):
        target_of("/cb")


def test_a_post_is_written_with_the_length_of_its_bytes() -> None:
    call = Post("http://a.example/x", "ü".encode(), {"X-One": "1"}, lambda _: None)

    assert call.data == (
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nX-One: 1\r\nContent-Length: 2\r\n\r\n\xc3\xbc"
    )


def test_nothing_of_twilio_stands_in_the_kit() -> None:
    folder = Path(kit.__file__).parent

    assert words_of_twilio(folder) == set()
    assert len(words_of_twilio(folder.parent / "twilio")) > 100  # the search does find them


def words_of_twilio(folder: Path) -> set[str]:
    return {
        f"{path.name}: {match[0]}"
        for path in folder.glob("**/*.py")
        for match in TWILIOS.finditer(path.read_text())
    }
