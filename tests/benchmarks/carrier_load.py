"""How many creates a second the carrier simulator holds, with two signed callbacks for each.

Run it by hand: `python tests/benchmarks/carrier_load.py --seconds 10 --connections 200`. The
carrier runs in its own process on one core, the client and its receiver of callbacks on another.
"""

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast
from urllib.request import Request, urlopen

import httptools
import uvloop

SID, TOKEN = "AC" + "1" * 32, "load-token"
TICKS = os.sysconf("SC_CLK_TCK")


class Client(asyncio.Protocol):
    """One connection, closed loop: the next create goes out when the last one is answered."""

    numbers = iter(range(10**9))
    created = 0
    refused = 0
    sink = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpResponseParser(self)
        self.create()

    def create(self) -> None:
        n = next(Client.numbers)
        body = (
            f"To=%2B1202{n % 9_000_000:07d}&From=%2B15005550006&Body=Hello+Ana%2C+this+is+Volley.+"
            f"Your+appointment+is+on+Monday+at+ten.+Reply+STOP+to+opt+out."
            f"&StatusCallback=http%3A%2F%2F127.0.0.1%3A{Client.sink}%2Fcb%3Fm%3D{n}%26a%3D0123456789abcdef"
            "%23rc%3D3%26rp%3Dct%2Crt%2C5xx"
        )
        credentials = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        self.transport.write(
            f"POST /2010-04-01/Accounts/{SID}/Messages.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Basic {credentials}\r\nAccept: application/json\r\n"
            "User-Agent: load\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() == 201:
            Client.created += 1
        else:
            Client.refused += 1
        self.create()


class Sink(asyncio.Protocol):
    """Receives callbacks and answers 204."""

    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        Sink.received += 1
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def readings(pid: int) -> tuple[float, ...]:
    """Creates, callbacks, the carrier's CPU, the clock, our own CPU; times in seconds."""
    own = time.process_time()
    return Client.created, Sink.received, cpu_seconds(pid), time.monotonic(), own


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def start_carrier(core: int) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulators.twilio", "--port", "0"),
            *("--account-sid", SID),
        ],
        env=os.environ | {"VOLLEY_CARRIER_AUTH_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {core})
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, int(line.split("url=")[1].split()[0].rpartition(":")[2])


async def load(pid: int, port: int, *, seconds: float, connections: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=1024)
    Client.sink = str(server.sockets[0].getsockname()[1])
    for _ in range(connections):
        await loop.create_connection(Client, "127.0.0.1", port)
    await asyncio.sleep(2)
    before = readings(pid)
    await asyncio.sleep(seconds)
    after = readings(pid)
    created, received, cpu, passed, own = (b - a for a, b in zip(before, after, strict=True))
    return {
        "creates_per_second": round(created / passed),
        "callbacks_per_second": round(received / passed),
        "carrier_core_share": round(cpu / passed, 3),
        "carrier_cpu_us_per_create": round(cpu / created * 1e6, 1),
        "client_core_share": round(own / passed, 3),
        "refused": Client.refused,
        "created": Client.created,
        "carrier_mib": round(resident_mib(pid)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=50)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    carrier, port = start_carrier(cores[0])
    os.sched_setaffinity(0, {cores[-1]})
    try:
        dials = json.dumps({"latency_ms": options.latency_ms, "scripted_numbers": False})
        urlopen(Request(f"http://127.0.0.1:{port}/control", data=dials.encode())).close()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(
                load(carrier.pid, port, seconds=options.seconds, connections=options.connections)
            )
        print(json.dumps(result))
    finally:
        carrier.terminate()
        carrier.wait()


if __name__ == "__main__":
    main()
