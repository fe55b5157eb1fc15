"""The API while strangers flood it: every genuine callback is taken, and it answers that it lives.

Strangers and the provider come from one address, as they do behind a proxy.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.request import urlopen

from tests.benchmarks.attack_load import KINDS
from tests.benchmarks.callbacks import TOKEN, load, ours, pin
from tests.benchmarks.edge_load import ACCOUNT
from tests.benchmarks.processes import peak_mib
from tests.benchmarks.row import Row, within
from tests.benchmarks.world import world

#: Callbacks a second during the flood.
PACE = 2_000
MOST_MS = 500.0
MOST_MIB = 200.0
#: Seconds between two questions whether it lives.
PAUSE = 0.02


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """/healthz's p99 under each attack, and the most memory the API took."""
    seconds = 2 if quick else 8
    found = []
    with world(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN):
        for kind in KINDS:
            told = [under(kind, seconds) for _ in range(rounds)]
            waits = [(one.p99, MOST_MS) for one in told]
            most = max(one.peak for one in told)
            note = f"{PACE:,} callbacks a second, all kept; {most:.0f} MiB at the most"
            found.append(within(f"{kind}: /healthz p99", waits, unit="ms", most=1, note=note))
            found.append(
                within(f"{kind}: memory", [(most, MOST_MIB)], unit="MiB", most=1, note="peak")
            )
    return found


class Told(NamedTuple):
    """How long /healthz took (ms), half of the time and at p99; the share of the time in which it
    was waited for longer than it may be (0 to 1); and the API's peak memory (MiB).
    """

    half: float
    p99: float
    late: float
    peak: float


def under(kind: str, seconds: float) -> Told:
    """What an attack of that kind does. All callbacks meanwhile are answered 204, or it raises."""
    with ours() as (pid, port):
        load(port, 1, connections=1)  # it has read the accounts' tokens
        with _attacked(port, kind), _asked(port) as took:
            time.sleep(0.5)
            load(port, int(PACE * seconds), connections=64, pace=PACE)
        took.sort()
        late = sum(one for one in took if one > MOST_MS) / sum(took + [PAUSE * 1000] * len(took))
        return Told(took[len(took) // 2], took[int(len(took) * 0.99)], late, peak_mib(pid))


@contextmanager
def _attacked(port: int, kind: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.benchmarks.attack_load", str(port), kind]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        pin(process.pid, last=False)
        try:
            yield
        finally:
            process.kill()


@contextmanager
def _asked(port: int) -> Iterator[list[float]]:
    """Asks /healthz again and again, each time on a new connection; how long it took, in ms."""
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(PAUSE):
            began = time.perf_counter()
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
                assert answer.status == 200
            took.append((time.perf_counter() - began) * 1000)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield took
    finally:
        over.set()
        asking.join()
