"""The parent's side of the fork server: starts it, orders children, hears what became of them."""

import atexit
import logging
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from scheduler.import_process import protocol
from scheduler.ingest.load.importer import stopping
from scheduler.ingest.load.turns import Turn
from shared.errors import VolleyError
from shared.opaque import Json
from shared.settings import settings

#: Children at once; each has a core's worth of work and its own limits.
AT_ONCE: Final = 4
#: Seconds between two looks whether this process is to end.
_LOOK_EVERY: Final = 0.25
#: Signals that a process brings upon itself. Any other comes from outside.
_OWN_FAULTS: Final = {
    -signal.SIGXCPU: "time",
    **dict.fromkeys(
        (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE),
        "crash",
    ),
}


class Busy(VolleyError):
    """As many imports are under way as may be."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a child. `said` is its own last word, {} if it had none.

    `limit` is "memory" or "time" for one that ran into its limit, "crash" for one that crashed, ""
    for one that ended otherwise or was killed from outside. `leased`: the import was its to do.
    `peak` is in kibibytes, `seconds` are the processor's.
    """

    said: Json
    leased: bool
    limit: str
    pid: int = 0
    peak: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, heard: bytes) -> "Ended":
        """From all that child and server have said."""
        known: Json = {}
        for said in protocol.lines(heard):
            known |= said
        limit = known.get("limit") or _OWN_FAULTS.get(known.get("ended", 0), "")
        return cls(
            said={} if limit else {k: v for k, v in known.items() if k not in _OF_THE_PROCESS},
            leased=bool(known.get("leased")),
            limit=limit,
            **{name: known[name] for name in ("pid", "peak", "seconds") if name in known},
        )


_OF_THE_PROCESS: Final = frozenset(["pid", "leased", "limit", "ended", "peak", "seconds"])


class Nursery:
    """This process's fork server: started at the first use, and again when it is gone.

    `program` is the module that is run as it.
    """

    def __init__(self, program: str = "scheduler.import_process.fork_server") -> None:
        self._program = program
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._server: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    def start(self) -> None:
        """See to it that there is a server. It is ready about a second later."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the server, and its children with it."""
        with self._lock:
            self._end()

    def run(
        self, campaign_id: int, turn: Turn | None = None, *, patience: float | None = None
    ) -> Ended:
        """Have a child import the file, and wait for its end, or that its `turn` is over.

        Raises Busy where no place is free within `patience` seconds; None waits for one.
        """
        if not self._places.acquire(timeout=patience):
            raise Busy("As many files are being imported as may be at once.")
        try:
            with self._ordered(campaign_id, turn) as child:
                return Ended.of(_heard(child))
        finally:
            self._places.release()

    def _ordered(self, campaign_id: int, turn: Turn | None) -> socket.socket:
        """Our end of a new child's socket."""
        ours, theirs = socket.socketpair()
        protocol.say_turn(ours, turn)
        order = struct.pack("!q", campaign_id)
        with theirs, self._lock:
            try:
                socket.send_fds(self._running(), [order], [theirs.fileno()])
            except OSError:  # it was killed since
                self._end()
                socket.send_fds(self._running(), [order], [theirs.fileno()])
        return ours

    def _running(self) -> socket.socket:
        if self._server is not None and self._server.poll() is not None:
            self._end()
        if self._orders is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._server = _started(self._program, theirs.fileno())
            self._orders = ours
            url = settings().database_url  # a command has it from the stack that runs
            protocol.say_where(ours, url.get_secret_value() if url else "")
            atexit.register(self.close)
        return self._orders

    def _end(self) -> None:
        if self._orders is not None:
            self._orders.close()
            atexit.unregister(self.close)
        if self._server is not None:
            self._server.wait()
        self._orders = self._server = None


def _started(program: str, descriptor: int) -> "subprocess.Popen[bytes]":
    level = logging.getLogger().getEffectiveLevel()
    command = [sys.executable, "-m", program, str(descriptor), str(level)]
    return subprocess.Popen(
        command,
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _heard(child: socket.socket) -> bytes:
    """All that a child says, and the server about it. Passes on that this process is to end."""
    pieces: list[bytes] = []
    told = False
    # Not select(): it knows no descriptor above 1,023, and who serves strangers has thousands.
    looks = select.poll()
    looks.register(child, select.POLLIN)
    while True:
        if looks.poll(_LOOK_EVERY * 1000):
            try:
                piece = child.recv(1 << 16)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
        elif stopping.is_set() and not told:
            told = True
            with suppress(OSError):
                child.send(protocol.STOP)
