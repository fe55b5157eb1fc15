"""A carrier without delays, a receiver of its callbacks, and Twilio's own SDK to drive it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from deploy.simulators.twilio.server import Carrier
from tests.support.eventually import eventually

SENDER = "+15005550006"
QUICK = {"latency_ms": 0, "jitter_ms": 0, "sent_ms": (20, 20), "delivered_ms": (60, 60)}


@dataclass
class Callback:
    """One callback as it came in. `url` is what the caller must have signed."""

    url: str
    fields: dict[str, str]
    headers: dict[str, str]
    at: float


@dataclass
class Receiver:
    """An endpoint for callbacks. `answers` are its next HTTP statuses; after them comes 204."""

    port: int = 0
    got: list[Callback] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cb"

    def statuses(self) -> list[str]:
        """In the order they came; two posts on two connections may overtake each other."""
        return [callback.fields["MessageStatus"] for callback in self.got]

    def wait(self, count: int) -> list[Callback]:
        """The callbacks, once there are `count` of them."""
        eventually(lambda: len(self.got) >= count)
        return self.got


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    with Carrier(script=QUICK) as running:
        yield running


@pytest.fixture
def client(carrier: Carrier) -> Iterator[Client]:
    transport = TwilioHttpClient(timeout=10)
    yield sdk(carrier, transport)
    transport.session.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            url = f"http://127.0.0.1:{kept.port}{self.path}"
            fields = dict(parse_qsl(body, keep_blank_values=True))
            kept.got.append(Callback(url, fields, dict(self.headers), time.monotonic()))
            self.send_response(kept.answers.pop(0) if kept.answers else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def sdk(carrier: Carrier, transport: TwilioHttpClient, **credentials: str) -> Client:
    """Twilio's SDK, pointed at the carrier. `credentials` replace the right ones."""
    given = {"username": carrier.account_sid, "password": carrier.auth_token, **credentials}
    client = Client(**given, account_sid=carrier.account_sid, http_client=transport)
    client.api.base_url = carrier.url
    return client
