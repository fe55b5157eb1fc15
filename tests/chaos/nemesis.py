"""What goes wrong, on purpose: processes that die, freeze or leave, servers that forget."""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis import Redis

from tests.chaos.harness import Bench


@dataclass
class Tally:
    """How often a fault struck."""

    times: int = 0


@contextlib.contextmanager
def every(seconds: float, fault: Callable[[], object]) -> Iterator[Tally]:
    """Let the fault strike every so many seconds while the block runs.

    A fault that returns False did not strike (nobody was there to be hit).
    """
    tally, over = Tally(), threading.Event()
    failures: list[BaseException] = []

    def strike() -> None:
        while not over.wait(seconds):
            try:
                tally.times += fault() is not False
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=strike, name="nemesis", daemon=True)
    thread.start()
    try:
        yield tally
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]


def kill_a_sender(bench: Bench, *, number: signal.Signals = signal.SIGKILL) -> Callable[[], bool]:
    """A random sending worker gets this signal."""
    return lambda: _hit(bench.senders(), number)


def kill(bench: Bench, name: str, *, number: signal.Signals = signal.SIGKILL) -> Callable[[], bool]:
    """A random process of that name gets this signal."""
    return lambda: _hit(bench.pids(name), number)


def freeze(pids: Callable[[], list[int]], *, seconds: float) -> Callable[[], bool]:
    """A random one of them stands still for so long (SIGSTOP, SIGCONT), as in a paused machine."""

    def fault() -> bool:
        chosen = pids()
        if not chosen:
            return False
        with frozen(random.choice(chosen)):
            threading.Event().wait(seconds)
        return True

    return fault


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """This process stands still while the block runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def wipe_broker(bench: Bench) -> Callable[[], bool]:
    """Valkey forgets everything: queues, slots, holds."""

    def fault() -> bool:
        with Redis.from_url(bench.stack.redis_url, socket_timeout=10) as redis:
            redis.flushall()
        return True

    return fault


def _hit(pids: list[int], number: signal.Signals) -> bool:
    if not pids:
        return False
    try:
        os.kill(random.choice(pids), number)
    except ProcessLookupError:
        return False
    return True
