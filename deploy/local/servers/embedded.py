"""What the embedded servers have in common: prepared, started, watched and stopped the same way."""

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from deploy.local.data_dirs.data_dir import Places, locked, places
from deploy.local.system.child_process import POLL_SECONDS, Child, finish_off, spawn, stop
from shared.errors import Refused

#: Recovery after a crash may have much to read; a server that has died is noticed at once.
READY_SECONDS = 300.0


class EmbeddedServer(ABC):
    """A server of ours on this machine, whose data lies under `data_dir` and stays there.

    Either `start` and `stop` run it alone, or a supervisor runs its `child`.
    """

    name: str
    #: The variable that tells the stack's programs where it is.
    setting: str

    def __init__(self, data_dir: Path) -> None:
        self.places: Places = places(data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()

    @property
    @abstractmethod
    def url(self) -> str:
        """Where to reach it, password included."""

    @abstractmethod
    def child(self) -> Child:
        """How it is run."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @property
    def log(self) -> Path:
        return self.places.logs / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The running server's pid, if it was started here."""
        return self._process.pid if self._process and self.alive() else None

    def alive(self) -> bool:
        """Whether the server that was started here still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it answers. Raises Refused if it cannot or already runs."""
        self.take_lock()
        child = self.child()
        try:
            if child.before:
                child.before()
            self._process = spawn(child, self.log)
            wait_ready(child, self._process, log=self.log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it cleanly; harmless when it does not run."""
        if self._process is not None:
            stop(self._process, self.child())
            self._process = None
        self.release()

    def take_lock(self) -> None:
        """Take the data for ourselves until `release` or our end. Raises Refused if it is taken."""
        self._held.enter_context(
            locked(
                self.places.servers / f"{self.name}.lock",
                otherwise=Refused(
                    f"{self.name}_already_running",
                    f"The embedded {self.name} under {self.places.data_dir} is already running; "
                    "volley ps shows it.",
                ),
            )
        )

    def release(self) -> None:
        """Let others take the data."""
        self._held.close()


def wait_ready(
    child: Child,
    process: subprocess.Popen[bytes],
    *,
    log: Path,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Return when the child is ready. Raises Refused, with its last words, if it never is."""
    deadline = time.monotonic() + READY_SECONDS
    while child.ready and not child.ready():
        meanwhile()
        if process.poll() is not None or time.monotonic() > deadline:
            finish_off(process)
            raise Refused(
                f"{child.role}_not_started",
                f"{child.name} did not start: {last_words(log)} (more in {log})",
            )
        time.sleep(POLL_SECONDS)


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines()[-20:] if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "rror" in line]
    return (telling or lines or ["it said nothing"])[-1].strip()
