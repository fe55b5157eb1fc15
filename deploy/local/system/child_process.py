"""One program the stack runs: what it is called, how it starts, how it is asked to stop."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class User:
    """The user a child becomes when root starts it."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Child:
    """A program of the stack. `role` is the word `volley ps` shows, `name` is its own."""

    role: str
    name: str
    #: The first word is an absolute path.
    argv: tuple[str, ...]
    #: Added to the environment, or the whole of it if `clean`.
    env: Mapping[str, str] = field(default_factory=dict)
    clean: bool = False
    cwd: Path | None = None
    user: User | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    #: Seconds from the stop signal to SIGKILL.
    stop_timeout: float = 10.0
    #: Sent by the kernel when the supervisor dies. SIGKILL is safe for our own programs: recovery
    #: is built on it, and a worker that lingered would talk to a database that is going away.
    death_signal: signal.Signals = signal.SIGKILL
    #: Called before every start, the first and each restart.
    before: Callable[[], None] | None = None
    #: Asked again and again after the first start, until it is true.
    ready: Callable[[], bool] | None = None


def spawn(child: Child, log: Path) -> subprocess.Popen[bytes]:
    """Start the program; what it prints is added to `log`.

    It leads a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone and
    what it leaves behind can be ended as a group. Its settings go through a pipe: secrets never
    appear on a command line.
    """
    reader, writer = os.pipe()
    try:
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(reader)],
                pass_fds=(reader,),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=child.cwd,
                start_new_session=True,
            )
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w") as pipe:
        json.dump(_request(child), pipe)
    return process


def stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Ask the program to stop, wait as long as it is allowed to take, then insist."""
    ask_to_stop(process, child)
    wait_gone(process, seconds=child.stop_timeout)
    finish_off(process)


def ask_to_stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Send the stop signal to the program alone: it knows how to take its own children along."""
    if process.poll() is None:
        process.send_signal(child.stop_signal)


def wait_gone(process: subprocess.Popen[bytes], *, seconds: float) -> bool:
    """Wait for the end. False if it is still there after `seconds`."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def finish_off(process: subprocess.Popen[bytes]) -> None:
    """End the program if it still runs, and whatever its session left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _request(child: Child) -> dict[str, object]:
    return {
        "argv": child.argv,
        "env": dict(child.env),
        "clean": child.clean,
        "user": None if child.user is None else (child.user.uid, child.user.gid),
        "death_signal": int(child.death_signal),
        "parent": os.getpid(),
    }
