"""Servers as people have them: Debian's, each started by hand in a temporary directory.

Nothing of the machine's own set-up is read or changed. A server that is not installed is absent:
see `MISSING`. Servers that refuse root run as the user that Debian made for them.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from kombu import Connection
from redis import Redis, RedisError

from deploy.local.system.ports import any_free
from tests.support.embedded import temporary_directory
from tests.support.eventually import eventually

_PATIENCE: Final = 60.0
_ROLE: Final = "volley_owner"
_DATABASE: Final = "volley_own"


def _found(name: str, *places: str) -> str | None:
    others = [str(place) for pattern in places for place in sorted(Path("/").glob(pattern))]
    return shutil.which(name, path=os.pathsep.join([*others, os.environ.get("PATH", "")]))


#: What is installed, by name: the program's path, or None.
PROGRAMS: Final[Mapping[str, str | None]] = {
    "Postgres": _found("postgres", "usr/lib/postgresql/*/bin"),
    "Redis": _found("redis-server", "usr/bin"),
    "PgBouncer": _found("pgbouncer", "usr/sbin"),
    "RabbitMQ": _found("rabbitmq-server", "usr/sbin"),
}


def missing(*names: str) -> list[str]:
    """Those of these servers that are not installed here."""
    return [name for name in names if PROGRAMS[name] is None]


@dataclass
class Own:
    """A server that runs: where it is, and how it is stopped and started."""

    url: str
    argv: Sequence[str]
    user: str | None
    directory: Path
    env: Mapping[str, str]
    answers: Callable[[], object]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
                env=self.env,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        said = self.directory / "log"
        what = f"{self.argv[0]} to answer, or to end"
        process = self.process
        eventually(
            lambda: process.poll() is not None or self._does_answer(),
            what, seconds=_PATIENCE, every=0.1, log=said,
        )  # fmt: skip
        assert process.poll() is None, f"{self.argv[0]} ended:\n{said.read_text(errors='replace')}"

    def stop(self, *, hard: bool = False) -> None:
        """Stop it, and all that it has started."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill() if hard else process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)

    def _does_answer(self) -> bool:
        try:
            self.answers()
        except (psycopg.Error, RedisError, OSError):
            return False
        return True


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Debian's Postgres, with a role that owns one database and may do nothing else; its URL."""
    program = PROGRAMS["Postgres"]
    assert program is not None
    password, port = secrets.token_urlsafe(12), any_free()
    with _directory("postgres") as (directory, user):
        env = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        (directory / "password").write_text(password)
        subprocess.run(
            [str(Path(program).with_name("initdb")), f"-D{directory}/data", "-Upostgres",
             "-EUTF8", "-Ascram-sha-256", f"--pwfile={directory}/password", "--no-sync"],
            check=True, user=user, env=env, cwd=directory, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        root = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        argv = [program, f"-D{directory}/data", f"-p{port}", f"-k{directory}", "-cfsync=off"]
        server = Own(root, argv, user, directory, env, lambda: psycopg.connect(root).close())
        with _running(server), psycopg.connect(root, autocommit=True) as asked:
            asked.execute(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{password}'")
            asked.execute(f"CREATE DATABASE {_DATABASE} OWNER {_ROLE}")
            yield f"postgresql://{_ROLE}:{password}@127.0.0.1:{port}/{_DATABASE}"


@contextlib.contextmanager
def pgbouncer(database_url: str, *, mode: str, connections: int = 10) -> Iterator[str]:
    """Debian's PgBouncer before that database, with so many connections to it; its URL."""
    program = PROGRAMS["PgBouncer"]
    assert program is not None
    behind = psycopg.conninfo.conninfo_to_dict(database_url)
    port = any_free()
    with _directory("postgres") as (directory, user):
        (directory / "users").write_text(f'"{behind["user"]}" "{behind["password"]}"\n')
        (directory / "ini").write_text(f"""
[databases]
{behind["dbname"]} = host=127.0.0.1 port={behind["port"]} dbname={behind["dbname"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = {mode}
default_pool_size = {connections}
max_client_conn = 500
""")
        _give(directory, user)
        url = database_url.replace(f":{behind['port']}/", f":{port}/")
        argv = [program, f"{directory}/ini"]
        answers = lambda: psycopg.connect(url, prepare_threshold=None).close()  # noqa: E731
        server = Own(url, argv, user, directory, dict(os.environ), answers)
        with _running(server):
            yield url


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Debian's Redis with a password; its URL."""
    program = PROGRAMS["Redis"]
    assert program is not None
    password, port = secrets.token_urlsafe(12), any_free()
    with _directory("redis") as (directory, user):
        (directory / "conf").write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {directory}\n"
            "appendonly yes\nmaxmemory-policy noeviction\n"
        )
        _give(directory, user)
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        argv = [program, f"{directory}/conf"]
        answers = lambda: Redis.from_url(url).ping()  # noqa: E731
        with _running(Own(url, argv, user, directory, dict(os.environ), answers)):
            yield url


@contextlib.contextmanager
def rabbitmq() -> Iterator[Own]:
    """Debian's RabbitMQ, a node of its own with a port mapper of its own, to be restarted."""
    program = PROGRAMS["RabbitMQ"]
    assert program is not None
    port, mapper, peers = any_free(), any_free(), any_free()
    with _directory("rabbitmq") as (directory, user):
        (directory / "plugins").write_text("[].\n")
        (directory / "conf.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n")
        _give(directory, user)
        env = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(directory),
            "RABBITMQ_NODENAME": f"volley-{port}@localhost",
            "RABBITMQ_MNESIA_BASE": f"{directory}/mnesia",
            "RABBITMQ_LOG_BASE": f"{directory}/logs",
            "RABBITMQ_CONFIG_FILE": f"{directory}/conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{directory}/plugins",
            "RABBITMQ_DIST_PORT": str(peers),
            "RABBITMQ_PID_FILE": f"{directory}/pid",
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        # Debian's wrapper changes to another directory and asks who we are: the program beneath.
        inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        argv = [str(inner if inner.exists() else program)]
        server = Own(url, argv, user, directory, env, lambda: _reach(url))
        names = subprocess.Popen(
            [shutil.which("epmd") or "epmd", "-address", "127.0.0.1", "-port", str(mapper)],
            user=user, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with _running(server):
                yield server
        finally:
            names.kill()
            names.wait()


def _reach(url: str) -> None:
    with Connection(url, connect_timeout=2) as connection:
        connection.connect()


@contextlib.contextmanager
def _running(server: Own) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _directory(user: str) -> Iterator[tuple[Path, str | None]]:
    """A directory, and the user whose it is: this one if we are root, else ourselves (None)."""
    with temporary_directory() as parent:
        parent.chmod(0o711)
        directory = parent / "own"
        directory.mkdir(mode=0o700)
        chosen = user if os.geteuid() == 0 else None
        _give(directory, chosen)
        yield directory, chosen


def _give(directory: Path, user: str | None) -> None:
    if user:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, user)
