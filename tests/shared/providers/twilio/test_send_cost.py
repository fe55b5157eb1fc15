"""What one send costs us, against the SDK's own synchronous client in threads, in one run."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import process_time
from typing import Any

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from shared.providers.base import OutboundText
from shared.providers.twilio.accounts import TwilioCredentials
from shared.providers.twilio.adapter import TwilioAdapter
from tests.support.eventually import until

ACCOUNT, IN_FLIGHT = "AC" + "1" * 32, 200
TEXT = OutboundText(
    to="+15551234567",
    body="Hi Ana, this is Sam. We have a table for you at 7 tonight, shall I keep it? STOP to end.",
    sender="+15557654321",
    sender_pool=None,
    status_callback="https://sms.example.org/webhooks/twilio/status?m=12345&p=0&a=" + "ab" * 16,
)
MADE = {
    "sid": "SM" + "2" * 32, "status": "queued", "num_segments": "1", "body": TEXT.body,
    "to": TEXT.to, "from": TEXT.sender, "date_created": "Fri, 20 Nov 2026 15:24:30 +0000",
    "date_updated": "Fri, 20 Nov 2026 15:24:30 +0000", "date_sent": None, "error_code": None,
}  # fmt: skip

# The provider, in a process of its own so that its CPU is not ours: an answer after 50 ms.
STUB = """
import asyncio, sys
body = sys.argv[1].encode()
answer = b"HTTP/1.1 201 Created\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
class Side(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""
    def data_received(self, data):
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\\r\\n")[0] or 0)
        if found and len(rest) >= length:
            self.buffer = b""
            asyncio.get_running_loop().call_later(0.05, self.transport.write, answer)
async def main():
    server = await asyncio.get_running_loop().create_server(Side, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def one_core() -> Iterator[Any]:
    """Keep us on one core: threads that fight for the GIL over two look twice as expensive."""
    before = os.sched_getaffinity(0)
    yield lambda: os.sched_setaffinity(0, {min(before)})
    os.sched_setaffinity(0, before)


@pytest.fixture
def provider(one_core: Any) -> Iterator[Any]:
    command = [sys.executable, "-c", STUB, json.dumps(MADE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"  # type: ignore[union-attr]
        one_core()  # the provider keeps the others
        yield url
        process.kill()


async def through_ours(url: Any, count: Any) -> Any:
    """Seconds of CPU for one send."""
    twilio = TwilioAdapter(TwilioCredentials(ACCOUNT, ("token",), api_url=url), timeout=(3.05, 10))
    twilio.warm(IN_FLIGHT)
    await until(lambda: twilio._wire.idle, becomes=IN_FLIGHT, seconds=3)
    turns = iter(range(count))

    async def sender() -> None:
        for _ in turns:
            await twilio.send(TEXT, gate=lambda: None, wrote=lambda: None)

    start = process_time()
    await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))
    spent = process_time() - start
    await twilio.close()
    return spent / count


def through_threads(url: Any, count: Any) -> Any:
    """The same with a client per thread, as the SDK's documentation has it."""
    own, made = threading.local(), []

    def send(_: object) -> None:
        if not hasattr(own, "client"):
            own.client = Client(ACCOUNT, "token", http_client=TwilioHttpClient(timeout=10))
            own.client.api.base_url = url
            made.append(own.client.http_client)
        own.client.messages.create(
            to=TEXT.to, from_=TEXT.sender, body=TEXT.body, status_callback=TEXT.status_callback
        )

    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(send, range(2 * IN_FLIGHT)))  # connected, imported, warm
        start = process_time()
        list(threads.map(send, range(count)))
        spent = process_time() - start
    for client in made:
        client.session.close()
    return spent / count


@pytest.mark.bench
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to pin itself to a core")
def test_a_send_costs_at_most_a_seventh_of_the_sdks_own_client_in_threads(provider: Any) -> None:
    rounds = [
        (through_threads(provider, 1000), asyncio.run(through_ours(provider, 3000)))
        for _ in range(3)
    ]
    ratio = sorted(theirs / ours for theirs, ours in rounds)[1]
    shown = ", ".join(f"{t * 1e6:.0f}/{o * 1e6:.0f}" for t, o in rounds)
    print(f"send: {ratio:.1f} times less CPU (µs per send, threads/ours: {shown})")

    assert ratio >= 7
