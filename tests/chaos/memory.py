"""How much memory a stack holds over time: of its processes, and of the broker's data."""

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis, RedisError

from tests.chaos.harness import Bench

EVERY = 0.5


@dataclass
class Memory:
    """Samples in bytes."""

    #: pid → resident memory
    resident: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    #: Valkey's data set: keys and values, without its buffers
    broker: list[int] = field(default_factory=list)


@contextlib.contextmanager
def watched(stack: Bench, *names: str) -> Iterator[Memory]:
    """The memory of the processes of these names and of the broker while the block runs."""
    memory, over = Memory(), threading.Event()

    def watch() -> None:
        with Redis.from_url(stack.stack.redis_url) as redis:
            while not over.wait(EVERY):
                for pid in (pid for name in names for pid in stack.pids(name)):
                    with contextlib.suppress(OSError):
                        memory.resident[pid].append(_resident(pid))
                with contextlib.suppress(RedisError):
                    memory.broker.append(int(redis.info("memory")["used_memory_dataset"]))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
