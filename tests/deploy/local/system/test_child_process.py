"""Programs under the supervisor's rules: stop order, patience, restarts, logs, the table of ps."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import supervisor as supervising
from deploy.local.data_dirs.data_dir import Places, places
from deploy.local.supervisor import STOP_ORDER, Supervisor
from deploy.local.system import logs, pid_table, processes
from deploy.local.system.child_process import Child, spawn, stop
from shared.errors import Refused
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

IDLE = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
LAST_WORDS = """
import signal, sys, time
def goodbye(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, goodbye)
signal.signal(signal.SIGINT, goodbye)
open(sys.argv[1] + "." + sys.argv[2], "w").close()
time.sleep(600)
"""


@pytest.fixture
def here() -> Iterator[Places]:
    with temporary_data_dir() as data_dir:
        yield places(data_dir)


def test_what_stands_on_others_stops_before_them(here: Places, tmp_path: Path) -> None:
    order = [role for roles in STOP_ORDER for role in roles]
    said = tmp_path / "said"

    with Supervisor(here) as supervisor:
        for role in reversed(order):
            listening = tmp_path / f"said.{role}"
            supervisor.start([idle(role, LAST_WORDS, str(said), role, ready=listening.exists)])

    heard = said.read_text().split()
    assert sorted(heard) == sorted(order)
    assert heard[0] == "worker"
    assert set(heard[1:4]) == {"api", "scheduler", "flower"}
    assert heard[4:] == ["carrier", "valkey", "postgres"]


def test_a_program_that_does_not_listen_is_ended_after_its_time(here: Places) -> None:
    child = idle("worker", DEAF, stop_timeout=0.2)
    process = spawn(child, logs.path(here, "worker"))

    stop(process, child)

    assert process.returncode < 0
    assert processes.look(process.pid) is None


def test_a_program_that_keeps_dying_is_started_less_and_less_often(here: Places) -> None:
    said: list[str] = []
    begun = time.monotonic()

    with Supervisor(here, say=said.append) as supervisor:
        supervisor.start([idle("worker", "raise SystemExit(3)")])
        supervisor.tend(until=lambda: len(said) == 3)

    assert [line.split("; ")[1] for line in said] == [
        "starting it again in 0.2 s",
        "starting it again in 0.4 s",
        "starting it again in 0.8 s",
    ]
    assert "ended with status 3" in said[0]
    assert time.monotonic() - begun >= 0.6


def test_a_program_that_cannot_be_prepared_is_tried_again(here: Places) -> None:
    said: list[str] = []
    outcomes = [None, Refused("full", "the disk is full"), None]

    def prepare() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    with Supervisor(here, say=said.append) as supervisor:
        supervisor.start([idle("worker", IDLE, before=prepare)])
        os.kill(pid_table.ps(here.data_dir)[1]["pid"], signal.SIGKILL)
        supervisor.tend(until=lambda: not outcomes)

        assert [row["role"] for row in pid_table.ps(here.data_dir)] == ["supervisor", "worker"]
    assert "worker could not be started: the disk is full" in said


def test_a_program_that_ends_before_it_is_ready_is_refused_with_its_last_words(
    here: Places,
) -> None:
    child = idle("valkey", "print('Fatal error: no such port')", ready=lambda: False)

    with pytest.raises(Refused, match="no such port"), Supervisor(here) as supervisor:
        supervisor.start([child])

    assert pid_table.ps(here.data_dir) == []


@pytest.mark.usefixtures("usual_signals")
def test_a_signal_ends_the_watch_and_a_second_one_hurries(here: Places) -> None:
    begun = time.monotonic()

    with Supervisor(here) as supervisor:
        supervisor.start([idle("worker", DEAF, stop_timeout=60)])
        for delay in (0.2, 0.6):
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        supervisor.run()

    assert time.monotonic() - begun < 30
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_ends_wakes_a_supervisor_that_has_nothing_else_to_do(
    here: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "CALM_SECONDS", 60.0)
    begun = time.monotonic()

    with Supervisor(here, say=lambda _: None) as supervisor:
        supervisor.start([idle("worker", IDLE)])
        killed = pid_table.ps(here.data_dir)[1]["pid"]

        def kill_and_wait() -> None:
            time.sleep(0.3)
            os.kill(killed, signal.SIGKILL)
            others = ([], [killed])  # type: ignore[var-annotated]
            eventually(
                lambda: [row["pid"] for row in pid_table.ps(here.data_dir)][1:] not in others,
                seconds=60,
            )
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=kill_and_wait, daemon=True).start()
        supervisor.run()

    assert time.monotonic() - begun < 50
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL


def test_what_a_killed_program_leaves_behind_is_ended_with_it(here: Places) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {IDLE!r}])"

    with Supervisor(here) as supervisor:
        supervisor.start([idle("scheduler", parent)])
        supervisor.tend(until=lambda: len(pid_table.ps(here.data_dir)) == 3)
        _, scheduler, child = [row["pid"] for row in pid_table.ps(here.data_dir)]

        os.kill(scheduler, signal.SIGKILL)
        supervisor.tend(until=lambda: processes.look(child) is None)

        assert processes.look(scheduler) is None


def test_ps_never_shows_a_process_that_only_has_the_same_number(here: Places) -> None:
    own = processes.born(os.getpid())
    pid_table.write(
        here.data_dir, [pid_table.StartedProcess("api", "api", os.getpid(), "another boot/1")]
    )

    assert own
    assert pid_table.ps(here.data_dir) == []


def test_ps_counts_a_zombie_as_dead(here: Places) -> None:
    process = subprocess.Popen([sys.executable, "-c", IDLE])
    pid_table.write(
        here.data_dir,
        [pid_table.StartedProcess("api", "api", process.pid, processes.born(process.pid))],
    )

    process.kill()
    eventually(lambda: not processes.look(process.pid), seconds=60)

    assert pid_table.ps(here.data_dir) == []  # before anybody has waited for it
    process.wait()


def test_up_seconds_is_the_age_of_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", IDLE])
    time.sleep(0.3)
    found, ours = processes.look(process.pid), processes.look(os.getpid())
    process.kill()
    process.wait()

    assert found is not None and ours is not None
    assert 0.2 < found.up_seconds < ours.up_seconds


def test_a_log_that_has_grown_too_large_begins_anew(
    here: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LARGEST_BYTES", 1000)
    log = logs.path(here, "api")
    with log.open("a") as program:
        program.write("x" * 2000)
        program.flush()

        logs.bound(here)
        program.write("after\n")

    assert log.read_text() == "after\n"
    assert (here.logs / "api.log.1").stat().st_size == 2000


def idle(role: str, program: str, *words: str, **rules: object) -> Child:
    """A child that runs a few lines of Python."""
    argv = (sys.executable, "-c", program, *words)
    return Child(role=role, name=role, argv=argv, **rules)  # type: ignore[arg-type]
