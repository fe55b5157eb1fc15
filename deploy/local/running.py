"""What a running stack tells others about itself: where it answers, and how to end it."""

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.data_dirs.data_dir import readable_file
from deploy.local.system import pid_table, processes
from shared.errors import Refused


@dataclass(frozen=True)
class Stack:
    """A stack that runs, or ran: its addresses and its supervisor."""

    pid: int
    born: str
    data_dir: Path
    api_url: str
    api_key_path: Path
    database_url: str
    redis_url: str
    flower_url: str | None
    carrier_url: str | None

    def ps(self) -> list[pid_table.Row]:
        """Its processes that run now."""
        return pid_table.ps(self.data_dir)

    def alive(self) -> bool:
        """Whether its supervisor runs."""
        return processes.born(self.pid) == self.born

    def stop(self, *, seconds: float = 120.0) -> None:
        """Stop it cleanly and return when it is gone. Raises Refused if it takes longer."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                raise Refused("not_stopped", f"The supervisor, pid {self.pid}, has not stopped.")
            time.sleep(0.02)

    def kill9(self) -> None:
        """Kill its supervisor as `kill -9` does; the kernel ends the rest."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def current(data_dir: Path) -> Stack | None:
    """The stack that runs on this DATA_DIR and has answered; None when none does."""
    try:
        stack = _read(json.loads(_path(data_dir).read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return stack if stack.alive() else None


def announce(stack: Stack) -> None:
    """Let others find it: from now on `current` shows it."""
    text = json.dumps(asdict(stack), default=str, indent=1)
    readable_file(_path(stack.data_dir), text + "\n", user=None)


def withdraw(data_dir: Path) -> None:
    """Take the announcement back."""
    _path(data_dir).unlink(missing_ok=True)


def _read(written: dict[str, Any]) -> Stack:
    paths = {name: Path(written[name]) for name in ("data_dir", "api_key_path")}
    return Stack(**{**written, **paths})


def _path(data_dir: Path) -> Path:
    return data_dir.absolute() / "run" / "stack.json"
