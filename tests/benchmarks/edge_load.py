"""Signed callbacks posted to a server on this machine: as fast as it goes, or at a fixed pace.

Runs as a process of its own: `python -m tests.benchmarks.edge_load PORT TOKEN COUNT CONNECTIONS
PACE`, PACE 0 for as fast as it goes. Prints JSON: callbacks per second, p50 and p99 in ms, answers.
"""

import asyncio
import json
import sys
import time
import uuid
from collections import Counter, deque
from typing import cast

import httptools
import uvloop

from deploy.simulators.twilio.callbacks import sign

ACCOUNT = "AC" + "1" * 32
PATH = "/webhooks/twilio/status"


def request(base: str, i: int, token: str) -> bytes:
    """The ith callback, signed for the address `base`."""
    query = f"m={i}&p=0&a={uuid.UUID(int=i + 1).hex}"
    sid = f"SM{i:032x}"
    fields = [
        ("ApiVersion", "2010-04-01"), ("SmsSid", sid), ("SmsStatus", "delivered"),
        ("To", f"+1202{i % 9_000_000:07d}"), ("From", "+15005550006"), ("MessageSid", sid),
        ("AccountSid", ACCOUNT), ("MessageStatus", "delivered"), ("RawDlrDoneDate", "2611201524"),
    ]  # fmt: skip
    body = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in fields)
    signature = sign(f"{base}{PATH}?{query}", fields, token)
    return (
        f"POST {PATH}?{query} HTTP/1.1\r\nHost: {base.removeprefix('http://')}\r\n"
        "User-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
        f"X-Twilio-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Load:
    """What is left to post, who is free to post it, and how it went."""

    def __init__(self, requests: "deque[bytes]") -> None:
        self.requests = requests
        self.left = len(requests)
        self.free: deque[Poster] = deque()
        self.took: list[float] = []
        self.answers: Counter[int] = Counter()
        self.paced = False
        self.over = asyncio.Event()

    def answered(self, poster: "Poster", status: int, seconds: float) -> None:
        """One more is answered."""
        self.answers[status] += 1
        self.took.append(seconds)
        self.left -= 1
        if not self.left:
            self.over.set()
        elif self.paced or not self.requests:
            self.free.append(poster)
        else:
            poster.post(self.requests.popleft(), time.perf_counter())


class Poster(asyncio.Protocol):
    """One connection, one callback at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._load.free.append(self)

    def post(self, data: bytes, due: float) -> None:
        """Post it; its time counts from `due`, when it should have gone."""
        self._due = due
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._load.answered(self, status, time.perf_counter() - self._due)


async def run(port: int, requests: "deque[bytes]", connections: int, pace: float) -> Load:
    """Post them all."""
    load = Load(requests)
    load.paced = pace > 0
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Poster(load), "127.0.0.1", port)
    if pace:
        await _keep_pace(load, pace)
    else:
        for poster in [load.free.popleft() for _ in range(connections)]:
            poster.post(requests.popleft(), time.perf_counter())
    await load.over.wait()
    return load


async def _keep_pace(load: Load, pace: float) -> None:
    began, gone = time.perf_counter(), 0
    while load.requests:
        due = int((time.perf_counter() - began) * pace)
        while gone < due and load.requests and load.free:
            load.free.popleft().post(load.requests.popleft(), began + gone / pace)
            gone += 1
        await asyncio.sleep(0.001)


def main(port: int, token: str, count: int, connections: int, pace: float) -> None:
    """Print how it went."""
    base = f"http://127.0.0.1:{port}"
    requests = deque(request(base, i, token) for i in range(count))
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(run(port, requests, connections, pace))
    passed = time.perf_counter() - began
    took = sorted(load.took)
    percentile = [took[int(len(took) * share)] * 1000 for share in (0.5, 0.99)]
    print(json.dumps([count / passed, *percentile, dict(load.answers)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
