"""Sending workers of the tests' own, beside a stack that has none."""

import contextlib
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from deploy.local.running import Stack
from tests.chaos.entry import DEAD
from tests.chaos.harness import BUDGETS, clean_environment


@contextlib.contextmanager
def sending(stack: Stack, count: int) -> Iterator[None]:
    """So many ordinary sending workers, while the block runs."""
    started = [_start(stack, "worker.app") for _ in range(count)]
    try:
        yield
    finally:
        _end(started)


@contextlib.contextmanager
def dying(stack: Stack, points: Iterable[str], *, after: int) -> Iterator[Counter[str]]:
    """For each point a worker that dies there with its Nth message, and is started again.

    Yields how often each has died.
    """
    deaths: Counter[str] = Counter()
    over = threading.Event()

    def keep(point: str) -> None:
        options = (f"--die-at={point}", f"--after={after}")
        while not over.is_set():
            process = _start(stack, "tests.chaos.entry", *options)
            while process.poll() is None and not over.wait(0.05):
                pass
            deaths[point] += process.poll() == DEAD
            _end([process])

    keepers = [threading.Thread(target=keep, args=(point,)) for point in points]
    for keeper in keepers:
        keeper.start()
    try:
        yield deaths
    finally:
        over.set()
        for keeper in keepers:
            keeper.join()


def _start(stack: Stack, module: str, *options: str) -> subprocess.Popen[bytes]:
    log = stack.data_dir / "logs" / "workers-of-the-test.log"
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module, *options, "--queues=send"],
            env=dict(os.environ) | _environment(stack),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(stack: Stack) -> dict[str, str]:
    """What the supervisor gives its own workers."""
    kept = stack.data_dir
    return {
        **clean_environment(),
        **BUDGETS,
        "VOLLEY_DATA_DIR": str(kept),
        "VOLLEY_DATABASE_URL": stack.database_url,
        "VOLLEY_REDIS_URL": stack.redis_url,
        "VOLLEY_SECRET_KEY": (kept / "secret_key").read_text().strip(),
        "VOLLEY_PUBLIC_URL": stack.api_url,
        "VOLLEY_SIMULATED": "1",
        "VOLLEY_TWILIO_API_URL": stack.carrier_url or "",
        "VOLLEY_TWILIO_ACCOUNT_SID": (kept / "carrier_account_sid").read_text().strip(),
        "VOLLEY_TWILIO_AUTH_TOKEN": (kept / "carrier_auth_token").read_text().strip(),
    }
