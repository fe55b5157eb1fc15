"""The supervisor over real servers and idle programs: whatever is killed, the stack comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from deploy.local.data_dirs.data_dir import places
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.supervisor import Supervised, Supervisor
from deploy.local.system import pid_table, processes
from deploy.local.system.child_process import Child
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

NOBODY = 65534
ROLES = ["postgres", "scheduler", "scheduler", "supervisor", "valkey", "worker"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.fixture(scope="module")
def lasting() -> Iterator[Path]:
    """The data directory of a stack that survives what the tests do to it."""
    with temporary_data_dir() as path, small_stack(path):
        yield path


def test_ps_lists_what_runs_and_the_schedulers_child_too(data_dir: Path) -> None:
    with small_stack(data_dir) as supervisor:
        eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)

        rows = pid_table.ps(data_dir)

        assert {tuple(row) for row in rows} == {("role", "pid", "up_seconds")}
        assert pid_of(data_dir, "supervisor") == supervisor.pid
        assert all(processes.look(row["pid"]) for row in rows)
    assert pid_table.ps(data_dir) == []


def test_sigterm_stops_everything_cleanly(data_dir: Path) -> None:
    with small_stack(data_dir) as supervisor:
        eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)
        pids = [row["pid"] for row in pid_table.ps(data_dir)]

        supervisor.terminate()

        assert supervisor.wait(timeout=60) == 0
        assert not [pid for pid in pids if processes.look(pid)]
    assert "database system is shut down" in (data_dir / "logs/postgres.log").read_text()


@pytest.mark.parametrize("role", ["worker", "scheduler", "valkey", "postgres"])
def test_a_program_that_is_killed_comes_back(lasting: Path, role: str) -> None:
    eventually(lambda: roles(lasting), becomes=ROLES, seconds=20)
    killed = [row["pid"] for row in pid_table.ps(lasting) if row["role"] == role]

    os.kill(killed[0], signal.SIGKILL)

    eventually(lambda: roles(lasting) == ROLES and pid_of(lasting, role) != killed[0], seconds=20)
    assert not [pid for pid in killed if processes.look(pid)]


@pytest.mark.parametrize(("ends", "waits"), [("kill", [0.2, 0.2, 0.2]), ("exit", [0.2, 0.4, 0.8])])
def test_only_a_program_that_ends_by_itself_is_kept_waiting(
    data_dir: Path, ends: str, waits: list[float]
) -> None:
    supervisor = Supervisor(places(data_dir), say=lambda _: None)
    kept = Supervised(Child(role="worker", name="worker", argv=(), env={}))
    found = []
    for _ in waits:
        program = {"kill": "import time; time.sleep(60)", "exit": "raise SystemExit(1)"}[ends]
        process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        if ends == "kill":
            process.kill()
        process.wait()
        kept.started = time.monotonic()
        supervisor._clean_up_after(kept, process)
        found.append(round(kept.due - time.monotonic(), 1))

    assert found == waits


def test_postgres_comes_back_with_what_was_committed(lasting: Path) -> None:
    eventually(EmbeddedPostgres(lasting).ready, seconds=20)
    query(lasting, "CREATE TABLE kept AS SELECT 7 AS n")
    killed = pid_of(lasting, "postgres")

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: pid_of(lasting, "postgres") not in {0, killed}, seconds=20)
    eventually(EmbeddedPostgres(lasting).ready, seconds=20)
    assert query(lasting, "SELECT n FROM kept") == [(7,)]


def test_killing_the_supervisor_leaves_nothing_running_and_loses_nothing(data_dir: Path) -> None:
    with small_stack(data_dir) as supervisor:
        eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)
        query(data_dir, "CREATE TABLE kept AS SELECT 7 AS n")
        direct = {row["pid"] for row in pid_table.ps(data_dir)} - orphans(data_dir)

        supervisor.kill()

        eventually(lambda: not any(processes.look(pid) for pid in direct), seconds=20)
    with small_stack(data_dir):
        assert query(data_dir, "SELECT n FROM kept") == [(7,)]


def test_a_start_right_after_the_supervisor_was_killed_works_at_once(data_dir: Path) -> None:
    with small_stack(data_dir) as supervisor:
        eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)
        before = {row["pid"] for row in pid_table.ps(data_dir)}

        supervisor.kill()
        with small_stack(data_dir):
            eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)

            assert not [pid for pid in before if processes.look(pid)]
            assert not before & {row["pid"] for row in pid_table.ps(data_dir)}


def test_a_second_start_is_refused_and_names_the_first(data_dir: Path) -> None:
    with small_stack(data_dir) as first:
        second = subprocess.run(command(data_dir), capture_output=True, text=True, check=False)

        assert second.returncode == 1
        assert f"already running on {data_dir}, pid {first.pid}" in second.stderr
        eventually(lambda: roles(data_dir), becomes=ROLES, seconds=20)


def test_a_stopped_process_of_the_servers_does_not_keep_the_next_start_waiting(
    data_dir: Path,
) -> None:
    with small_stack(data_dir) as supervisor:
        worker = pid_of(data_dir, "worker")
        os.kill(worker, signal.SIGSTOP)

        supervisor.kill()

        with small_stack(data_dir):
            assert processes.look(worker) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user")
def test_an_ordinary_user_runs_the_same_stack() -> None:
    if not (interpreter := interpreter_for_all()):
        pytest.skip("no Python of this version that an ordinary user can reach")
    with temporary_data_dir() as path:
        path.parent.chmod(0o755)
        path.mkdir(mode=0o700)
        os.chown(path, NOBODY, NOBODY)

        with entirely_up(as_ordinary_user(command(path, interpreter=interpreter))):
            eventually(lambda: roles(path), becomes=ROLES, seconds=20)

            assert not (path / "servers").is_symlink()
            assert {owner(row["pid"]) for row in pid_table.ps(path)} == {NOBODY}


@contextmanager
def small_stack(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """tests.support.small_stack in a process of its own, entirely up."""
    process = subprocess.Popen(command(data_dir), stdout=subprocess.PIPE, text=True)
    with entirely_up(process):
        yield process


@contextmanager
def entirely_up(process: subprocess.Popen[str]) -> Iterator[None]:
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def command(data_dir: Path, *, interpreter: str = sys.executable) -> list[str]:
    return [interpreter, "-m", "tests.support.small_stack", str(data_dir)]


def roles(data_dir: Path) -> list[str]:
    return sorted(row["role"] for row in pid_table.ps(data_dir))


def pid_of(data_dir: Path, role: str) -> int:
    return next((row["pid"] for row in pid_table.ps(data_dir) if row["role"] == role), 0)


def orphans(data_dir: Path) -> set[int]:
    """The scheduler's child: the kernel ends only the supervisor's own children with it."""
    return {child.pid for child in processes.children(pid_of(data_dir, "scheduler"))}


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def query(data_dir: Path, statement: str) -> list[tuple[object, ...]]:
    url = EmbeddedPostgres(data_dir).url.replace("postgresql+psycopg", "postgresql")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def interpreter_for_all() -> str | None:
    """This Python if every user can run it, else the system's of the same version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/python{version}"):
        with suppress(OSError):
            with as_ordinary_user([candidate, "-c", "import deploy.local.stack"]) as tried:
                if tried.wait() == 0:
                    return candidate
    return None


def as_ordinary_user(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
