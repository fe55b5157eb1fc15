"""How much memory and processor time a file may cost the process that reads it.

Nothing limits a process that was not told to be (`limit`). Both limits are the kernel's, so no
loop in C and no greedy library escapes them: beyond the memory there is a MemoryError, or the
process dies of its own; beyond the time it dies of SIGXCPU.
"""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

MIB: Final = 1024**2
#: Memory that the process may write to: heap and stacks, not what is mapped from files, and not
#: what an allocator merely reserves.
MOST_MEMORY: Final = 512 * MIB
#: Processor seconds before the first byte is read, and for each mebibyte that is read. What is
#: read twice counts twice, and of a workbook also what it unpacks to.
SECONDS_AT_FIRST: Final = 20
SECONDS_A_MEBIBYTE: Final = 40

_STATM: Final = Path("/proc/self/statm")
_RAISES: Final = MIB // 4  # bytes read between two looks at the limit


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of memory, processor seconds at first, and for each mebibyte."""

    memory: int = MOST_MEMORY
    at_first: int = SECONDS_AT_FIRST
    a_mebibyte: int = SECONDS_A_MEBIBYTE


class _Effort:
    """This process's limits, and how much it has read."""

    def __init__(self) -> None:
        self._limits: Limits | None = None
        self._spent = 0.0
        self._read = self._raised = 0

    def limit(self, limits: Limits) -> None:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        self._limits, self._spent = limits, spent.ru_utime + spent.ru_stime
        self._read = self._raised = 0
        _set(resource.RLIMIT_DATA, limits.memory)
        self._allow()

    def read(self, size: int) -> None:
        self._read += size
        if self._limits is not None and self._read - self._raised >= _RAISES:
            self._raised = self._read
            self._allow()

    def _allow(self) -> None:
        assert self._limits is not None
        more = self._limits.a_mebibyte * self._read / MIB
        _set(resource.RLIMIT_CPU, int(self._spent + self._limits.at_first + more) + 1)


def _set(which: int, soft: int) -> None:
    """The soft limit only: the hard one stays, and with it the way back."""
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(which, (soft, hard))


_effort = _Effort()
#: Limit this process from now on.
limit: Callable[[Limits], None] = _effort.limit
#: So many bytes of a file were read: they bring processor time with them.
read: Callable[[int], None] = _effort.read


@contextmanager
def limited_memory() -> Iterator[None]:
    """Limit this process's memory alone, for a while: for a program that a person waits for and
    can stop. The limit counts from what the process holds now.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    _set(resource.RLIMIT_DATA, _held() + MOST_MEMORY)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _held() -> int:
    """Bytes of what the limit on memory counts: 0 where the system does not say.

    A process that holds as much as its limit has no room for a thread's stack. Such a thread dies
    before it runs, and Thread.start() waits for it for ever.
    """
    try:
        pages = int(_STATM.read_text().split()[5])  # proc(5): data and stack
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def lift() -> None:
    """No limits any more, for telling that one was met."""
    for which in (resource.RLIMIT_DATA, resource.RLIMIT_CPU):
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (hard, hard))


class Metered:
    """A file of which every byte that is read brings its time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """As the file's."""
        return self._told(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        """As the file's."""
        return self._told(self._file.readline(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _told(self, piece: bytes) -> bytes:
        read(len(piece))
        return piece
