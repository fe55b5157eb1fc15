"""Keeps the stack's programs running: in order up, again when one dies, in order down.

Single-threaded, in the thread that lives longest: the kernel ends children with the thread that
started them (see launch.py).
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import FrameType

from deploy.local.data_dirs.data_dir import Places, locked
from deploy.local.servers.embedded import wait_ready
from deploy.local.system import logs, pid_table, processes
from deploy.local.system.child_process import Child, ask_to_stop, finish_off, spawn, wait_gone
from deploy.local.system.signals import heeded
from shared.errors import Refused, VolleyError

TICK_SECONDS = 0.05
#: While nothing else is to be waited for: a child that ends, and a signal, wake us.
CALM_SECONDS = 1.0
#: The wait before a start after a death: doubled from the first to the second, and back to the
#: first once a program has stayed up for a while, or when it was not its own fault.
SOONEST, LATEST = 0.2, 5.0
SETTLED_SECONDS = 10.0
ENDED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)
HURRIED_SECONDS = 0.5
LOGS_BOUNDED_EVERY = 10.0
#: Workers first, so that the calls in flight still find all they need; the ledger last.
STOP_ORDER = (("worker",), ("api", "scheduler", "flower"), ("carrier",), ("valkey",), ("postgres",))
MARK = "VOLLEY_STACK_CHILD"


class Stopping(VolleyError):
    """A signal asked for the end while the stack was still starting."""


@dataclass
class Supervised:
    """A child and its present process."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = SOONEST
    #: When to start it again (monotonic), while it does not run.
    due: float = 0.0


class Supervisor:
    """The keeper of one stack. Use it as `with supervisor: start(...); run()`.

    Entering takes the lock of the data directory and ends what a killed supervisor left; leaving
    stops everything.
    """

    def __init__(self, places: Places, *, say: Callable[[str], None] = print) -> None:
        self._places = places
        self._say = say
        self._kept: list[Supervised] = []
        self._asked = False
        self._logs_bounded = 0.0
        self._hurried = False
        self._context = contextlib.ExitStack()
        self._rest: Callable[[float], None] = time.sleep

    def __enter__(self) -> "Supervisor":
        with contextlib.ExitStack() as entered:
            entered.enter_context(_sole(self._places))
            entered.enter_context(_signals(self._on_signal))
            self._rest = entered.enter_context(_woken_by_signals())
            end_leftovers(self._places)
            self._write_table()
            self._context = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._context.close()

    def start(self, children: Iterable[Child]) -> None:
        """Start these in order, each when the one before is ready.

        Raises Refused if one ends before it is ready, Stopping if a signal comes meanwhile.
        """
        for child in children:
            kept = Supervised(replace(child, env={**child.env, MARK: _mark(self._places)}))
            self._kept.append(kept)
            log = logs.path(self._places, child.name)
            wait_ready(child, self._begin(kept), log=log, meanwhile=self.check)

    def check(self) -> None:
        """Raise Stopping if a signal has asked for the end."""
        if self._asked:
            raise Stopping("stopped while starting")

    def tend(self, until: Callable[[], bool]) -> bool:
        """Keep everything running until `until()` is true, or a signal comes (then False)."""
        while not self._asked:
            self._tick()
            if until():
                return True
            self._rest(TICK_SECONDS)
        return False

    def run(self) -> None:
        """Keep everything running until a signal comes."""
        while not self._asked:
            self._tick()
            calm = all(kept.process for kept in self._kept)
            self._rest(CALM_SECONDS if calm else TICK_SECONDS)

    def stop(self) -> None:
        """Stop everything in order; harmless the second time. A SIGINT after a signal hurries."""
        for roles in (*STOP_ORDER, self._other_roles()):
            self._stop([kept for kept in self._kept if kept.child.role in roles])
        self._kept.clear()
        pid_table.write(self._places.data_dir, [])

    def _tick(self) -> None:
        changed = [self._check_child(kept) for kept in self._kept]
        if any(changed):
            self._write_table()
        if time.monotonic() - self._logs_bounded > LOGS_BOUNDED_EVERY:
            self._logs_bounded = time.monotonic()
            logs.bound(self._places)

    def _check_child(self, kept: Supervised) -> bool:
        """Whether the child ended, or was started again."""
        if kept.process is not None:
            if kept.process.poll() is None:
                return False
            self._clean_up_after(kept, kept.process)
            return True
        if time.monotonic() < kept.due:
            return False
        try:
            self._begin(kept)
        except (OSError, VolleyError) as error:
            self._say(f"{kept.child.name} could not be started: {error}")
            self._delay_restart(kept)
        return True

    def _clean_up_after(self, kept: Supervised, process: subprocess.Popen[bytes]) -> None:
        finish_off(process)  # what a killed program leaves behind must not act beside its successor
        kept.process = None
        killed = process.returncode in ENDED_FROM_OUTSIDE
        if killed or time.monotonic() - kept.started > SETTLED_SECONDS:
            kept.wait = SOONEST
        self._say(
            f"{kept.child.name} (pid {process.pid}) {_end(process.returncode)}; "
            f"starting it again in {kept.wait:g} s"
        )
        self._delay_restart(kept)

    def _delay_restart(self, kept: Supervised) -> None:
        kept.due = time.monotonic() + kept.wait
        kept.wait = min(LATEST, 2 * kept.wait)

    def _begin(self, kept: Supervised) -> subprocess.Popen[bytes]:
        kept.started = time.monotonic()
        if kept.child.before:
            kept.child.before()
        kept.process = spawn(kept.child, logs.path(self._places, kept.child.name))
        self._write_table()
        return kept.process

    def _stop(self, group: list[Supervised]) -> None:
        """Ask all of them, wait together, insist."""
        live = [(kept.child, kept.process) for kept in group if kept.process is not None]
        for child, process in live:
            ask_to_stop(process, child)
        begun = time.monotonic()
        for child, process in live:
            while not wait_gone(process, seconds=0.1):
                allowed = HURRIED_SECONDS if self._hurried else child.stop_timeout
                if time.monotonic() - begun > allowed:
                    break
            finish_off(process)

    def _other_roles(self) -> tuple[str, ...]:
        known = {role for roles in STOP_ORDER for role in roles}
        return tuple({kept.child.role for kept in self._kept} - known)

    def _write_table(self) -> None:
        entries = [
            pid_table.StartedProcess(
                "supervisor", "supervisor", os.getpid(), processes.born(os.getpid())
            )
        ]
        for kept in self._kept:
            pid = kept.process.pid if kept.process else 0
            if word := processes.born(pid) if pid else "":
                entries.append(
                    pid_table.StartedProcess(kept.child.role, kept.child.name, pid, word)
                )
        pid_table.write(self._places.data_dir, entries)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._hurried = self._asked and number == signal.SIGINT
        self._asked = True


def end_leftovers(places: Places) -> None:
    """End what a killed supervisor left: by its table, and by the mark in the environment.

    Only the holder of the lock may call this. The servers end their own (they lose their marks).
    """
    left = {entry.pid: entry for entry in pid_table.read(places.data_dir)}
    mine = [pid for pid, entry in left.items() if processes.born(pid) == entry.born != ""]
    servers = [pid for pid in mine if left[pid].role in {"postgres", "valkey"}]
    programs = {pid for pid in mine if left[pid].role != "supervisor"} - set(servers)
    marked = set(processes.marked(f"{MARK}={_mark(places)}")) - set(servers)
    processes.end(programs | marked, by=signal.SIGKILL, within=5)
    for pid in servers:
        number = signal.SIGINT if left[pid].role == "postgres" else signal.SIGTERM
        processes.end([pid], by=number, within=10)


def _sole(places: Places) -> contextlib.AbstractContextManager[None]:
    holder = next((e.pid for e in pid_table.read(places.data_dir) if e.role == "supervisor"), None)
    refusal = Refused(
        "already_running",
        f"Volley is already running on {places.data_dir}"
        f"{f', pid {holder}' if holder else ''}; volley ps shows it.",
    )
    return locked(places.run / "lock", otherwise=refusal)


@contextlib.contextmanager
def _signals(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """The signals that ask us to stop go to `on_signal` in the block."""
    before = {number: signal.signal(number, on_signal) for number in heeded()}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextlib.contextmanager
def _woken_by_signals() -> Iterator[Callable[[float], None]]:
    """A sleep for this block that every handled signal ends, and the end of a child."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    handler = signal.signal(signal.SIGCHLD, lambda *_: None)  # or the kernel tells us nothing
    other = signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    wakes = select.poll()
    wakes.register(read, select.POLLIN)

    def rest(seconds: float) -> None:
        if wakes.poll(seconds * 1000):
            os.read(read, 4096)

    try:
        yield rest
    finally:
        signal.set_wakeup_fd(other)
        signal.signal(signal.SIGCHLD, handler)
        os.close(read)
        os.close(write)


def _mark(places: Places) -> str:
    """A word in the environment of this stack's children, and of no other process."""
    return places.secret("run/mark")


def _end(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
