"""What a stack does with the signals that its starter ignores, and with those it does not."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.data_dirs.data_dir import places
from deploy.local.system import logs, pid_table, processes
from deploy.local.system.child_process import Child, spawn, stop
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

USUAL = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
#: A supervisor with one idle program. It says "up", and at the end which way it went.
SUPERVISOR = """
import sys
from pathlib import Path
from deploy.local.system.child_process import Child
from deploy.local.data_dirs.data_dir import places
from deploy.local.supervisor import Supervisor
idle = (sys.executable, "-c", "import time; time.sleep(600)")
with Supervisor(places(Path(sys.argv[1]))) as supervisor:
    supervisor.start([Child(role="worker", name="worker", argv=idle)])
    print("up", flush=True)
    supervisor.run()
print("stopped cleanly", flush=True)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_nobody_ignores_stops_the_stack(
    data_dir: Path, number: signal.Signals
) -> None:
    with supervisor(data_dir, ignoring="") as process:
        process.send_signal(number)

        assert process.communicate(timeout=60)[0] == "stopped cleanly\n"
    assert pid_table.ps(data_dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_background_or_nohup_ignores_stays_ignored_and_sigterm_stops(
    data_dir: Path, number: signal.Signals
) -> None:
    with supervisor(data_dir, ignoring=number.name.removeprefix("SIG")) as process:
        assert number in ignored(process.pid)
        process.send_signal(number)
        assert processes.look(process.pid)

        process.send_signal(signal.SIGTERM)

        assert process.communicate(timeout=60)[0] == "stopped cleanly\n"


def test_sigterm_stops_the_stack_even_where_it_is_inherited_as_ignored(data_dir: Path) -> None:
    with supervisor(data_dir, ignoring="TERM") as process:
        process.send_signal(signal.SIGTERM)

        assert process.communicate(timeout=60)[0] == "stopped cleanly\n"


def test_the_stacks_programs_listen_whatever_its_starter_ignores(data_dir: Path) -> None:
    with supervisor(data_dir, ignoring="INT TERM HUP") as process:
        worker = next(row["pid"] for row in pid_table.ps(data_dir) if row["role"] == "worker")

        being_launched = "the worker to ignore none of them"
        eventually(lambda: ignored(worker) & USUAL, being_launched, becomes=set(), seconds=20)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.usefixtures("usual_signals")
def test_a_program_is_asked_and_not_killed_although_its_starter_is_deaf(data_dir: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    idle = (sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)")
    child = Child(role="worker", name="worker", argv=idle, stop_timeout=60)
    log = logs.path(places(data_dir), "worker")
    process = spawn(child, log)

    def up() -> bool:
        assert process.poll() is None
        return "up" in log.read_text()

    eventually(up, seconds=60)

    stop(process, child)

    assert process.returncode == -signal.SIGTERM


@contextmanager
def supervisor(data_dir: Path, *, ignoring: str) -> Iterator["subprocess.Popen[str]"]:
    """The supervisor, started by a shell with these signals ignored and the others as usual."""
    trap = f"trap '' {ignoring}; " if ignoring else ""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in USUAL}
    try:
        process = subprocess.Popen(
            ["sh", "-c", f'{trap}exec "$@"', "sh", sys.executable, "-c", SUPERVISOR, str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        for number, did in before.items():
            signal.signal(number, did)
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


def ignored(pid: int) -> set[signal.Signals]:
    """What the kernel says that a process ignores."""
    mask = re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    assert mask is not None
    return {number for number in signal.Signals if int(mask[1], 16) >> (number - 1) & 1}
