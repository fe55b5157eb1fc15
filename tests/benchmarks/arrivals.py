"""A carrier that only says when: it logs each create's arrival and sender, and answers 201.

For paces at which the simulator itself would be what is measured. `python -m
tests.benchmarks.arrivals OUT`: prints its port; on SIGTERM it writes OUT, a line for each create:
arrival in Unix seconds, sender, message id. Answers after 50 ms. No callbacks, no look-ups.
"""

import asyncio
import gc
import itertools
import re
import signal
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

LATENCY = 0.050
FROM = re.compile(rb"From=%2B(\d+)")
MESSAGE = re.compile(rb"%3Fm%3D(\d+)")
_numbers = itertools.count()
_log: list[tuple[float, bytes]] = []


class Side(asyncio.Protocol):
    """One connection: note, wait, answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._loop = asyncio.get_running_loop()
        self._at = 0.0

    def data_received(self, data: bytes) -> None:
        self._at = time.time()
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        _log.append((self._at, self._body))
        self._body = b""
        self._loop.call_later(LATENCY, self._answer)

    def _answer(self) -> None:
        said = (
            b'{"sid":"SM%032x","status":"queued","num_segments":"1","error_code":null,'
            b'"date_created":"Fri, 20 Nov 2026 15:24:30 +0000"}' % next(_numbers)
        )
        head = (
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        self._transport.write(head % len(said) + said)


async def serve(out: Path) -> None:
    """Until SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Side, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    with out.open("w") as file:
        file.writelines(f"{at:.6f} {_of(FROM, body)} {_of(MESSAGE, body)}\n" for at, body in _log)


def _of(pattern: "re.Pattern[bytes]", body: bytes) -> str:
    found = pattern.search(body)
    return found[1].decode() if found else "0"


if __name__ == "__main__":
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
