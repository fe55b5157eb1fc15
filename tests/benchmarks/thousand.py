"""A thousand agents at 5 a second, four workers, measured where it counts: at the carrier.

The carrier here is `arrivals.py`, which does nothing but note when and from whom: the simulator
would cost as much CPU as we do. Twilio's callbacks are therefore left out.
"""

import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import people
from tests.benchmarks.row import Row, within
from tests.benchmarks.stacks import Stage, difference, stage
from tests.support.embedded import temporary_directory
from tests.support.eventually import eventually
from tests.support.stopwatch import prefer

RATE, WORKERS = 5, 4
WINDOW = 0.97
Arrivals = list[tuple[float, str, int]]


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Share of the allowed starts over the window, and how many agents went over."""
    agents, seconds = (100, 8.0) if quick else (1000, 30.0)
    note, achieved, over = "", [], []
    for _ in range(1 if quick else min(rounds, 3)):
        arrivals, cpu = run(agents, seconds)
        allowed = agents * RATE * seconds
        achieved.append((len(_within(arrivals, seconds)) / seconds, allowed / seconds))
        over.append((float(len(violations(arrivals))), float(agents)))
        assert not _twice(arrivals), "a message went twice"
        note = f"{cpu * 1e6:.0f} µs CPU a message; {os.cpu_count()} cores; no callbacks"
    rate = within(f"{agents} agents × 5/s at the carrier", achieved, unit="starts/s", most=1)
    broken = within(f"{agents} agents × 5/s: agents over", over, unit="agents", most=0)
    return [
        Row(**vars(rate) | {"target": "≥ 0.97", "met": rate.ratio >= 0.97, "note": note}),
        broken,
    ]


def run(agents: int, seconds: float) -> tuple[Arrivals, float]:
    """All arrivals of a campaign that has work for longer than that; CPU seconds a message."""
    with _carrier() as (port, out), stage(
        workers=WORKERS, carrier=False, twilio_api_url=f"http://127.0.0.1:{port}",
        twilio_account_sid="AC" + "1" * 32, twilio_auth_token="a token for benchmarks",
    ) as stack:  # fmt: skip
        names = stack.agents(1, agents, rate=RATE)
        count = int(agents * RATE * (seconds + 6))
        campaign = stack.upload("pace", [people.phone(i) for i in range(count)], names)
        with stack.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as bare:
            bare.exec_driver_sql("ANALYZE")
        before = stack.cpu()
        stack.launch(campaign)
        eventually(lambda: _went(stack) > 0, "the first message", seconds=300, every=0.1)
        time.sleep(seconds + 4)
        spent = sum(difference(before, stack.cpu()).values())
        went = _went(stack)
        stack.api.post(f"/api/campaigns/{campaign}/pause")
        time.sleep(1)
        return out(), spent / went


@contextmanager
def _carrier() -> Iterator[tuple[int, "Log"]]:
    with temporary_directory() as kept:
        file = Path(kept, "arrivals")
        command = [sys.executable, "-m", "tests.benchmarks.arrivals", str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            prefer(process.pid)
            assert process.stdout is not None
            log = Log(process, file)
            try:
                yield int(process.stdout.readline()), log
            finally:
                process.terminate()


class Log:
    """Ends the carrier and reads what it wrote."""

    def __init__(self, process: "subprocess.Popen[str]", file: Path) -> None:
        self._process = process
        self._file = file

    def __call__(self) -> Arrivals:
        self._process.terminate()
        self._process.wait()
        lines = (line.split() for line in self._file.read_text().splitlines())
        return sorted((float(at), sender, int(message)) for at, sender, message in lines)


def _went(stack: Stage) -> int:
    return int(stack.one("SELECT count(*) FROM attempt WHERE sid IS NOT NULL"))


def _within(arrivals: Arrivals, seconds: float) -> Arrivals:
    """The starts of so many seconds, from the third second on."""
    start = arrivals[0][0] + 2.5
    return [one for one in arrivals if start <= one[0] < start + seconds]


def violations(arrivals: Arrivals) -> dict[str, float]:
    """Agents with RATE + 1 starts in less than WINDOW, and their tightest such span."""
    by_agent: dict[str, list[float]] = defaultdict(list)
    for at, sender, _ in arrivals:
        by_agent[sender].append(at)
    tightest = {
        sender: min((b - a for a, b in zip(ats, ats[RATE:], strict=False)), default=WINDOW)
        for sender, ats in by_agent.items()
    }
    return {sender: span for sender, span in tightest.items() if span < WINDOW}


def _twice(arrivals: Arrivals) -> list[int]:
    return [message for message, n in Counter(m for *_, m in arrivals).items() if n > 1]
