"""CPU of one send at 200 in flight: our transport under the SDK, against the SDK in threads."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.row import Row, absent, cheaper
from tests.shared.providers.twilio.test_send_cost import (
    IN_FLIGHT,
    MADE,
    STUB,
    through_ours,
    through_threads,
)


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Microseconds of CPU per message, both on the same single core."""
    if not hasattr(os, "sched_setaffinity"):
        return [absent("send, CPU", target="≥ 7", note="needs to pin itself to a core")]
    count = 600 if quick else 1500
    with _provider() as url:
        pairs = []
        for _ in range(rounds):
            threads = through_threads(url, count) * 1e6
            ours = asyncio.run(through_ours(url, 3 * count)) * 1e6
            pairs.append((ours, threads))
    note = f"{IN_FLIGHT} in flight; against twilio-python, a client for each thread"
    return [cheaper("send, CPU", pairs, unit="µs/message", target=7, note=note)]


@contextmanager
def _provider() -> Iterator[str]:
    """Answers after 50 ms, from the other cores; we keep one."""
    before = os.sched_getaffinity(0)
    command = [sys.executable, "-c", STUB, json.dumps(MADE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            os.sched_setaffinity(0, {min(before)})
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            os.sched_setaffinity(0, before)
            process.kill()
