"""The embedded Postgres: made on first use, reached by a socket of ours alone, with a password."""

import shutil
import signal
from pathlib import Path

import psycopg
from sqlalchemy import URL

from deploy.local.data_dirs.data_dir import kept_secret, own_directory, readable_file
from deploy.local.servers.binaries import PostgresPrograms, postgres_programs
from deploy.local.servers.embedded import EmbeddedServer, last_words
from deploy.local.system import ports, processes
from deploy.local.system.child_process import Child, spawn
from shared.errors import Refused

USER = "volley"
#: The one that initdb makes: making another would cost more than starting the server.
DATABASE = "postgres"
SOCKET_PORT = 5432
SOCKET_NAME = f".s.PGSQL.{SOCKET_PORT}"
#: sun_path holds 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH = 103
#: All the servers see of ours. initdb starts a shell and looks for the time zone otherwise.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
FAST_SHUTDOWN = signal.SIGINT

#: For small writes at a steady pace, with queues in tables: vacuum early, no JIT, nothing lost.
#: Terse logs: a DETAIL or a statement would carry phone numbers.
FLAGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "autovacuum_naptime": "5s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",
    "log_line_prefix": "%m [%p] ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """Postgres over `data_dir`. `url` is SQLAlchemy's `postgresql+psycopg://…`."""

    name = "postgres"
    setting = "VOLLEY_DATABASE_URL"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.cluster = self.places.servers / "postgres"
        self._sockets = self.places.servers / "sock"
        self._password = kept_secret(self.places.servers / "postgres_password")
        self._port: int | None = None

    @property
    def url(self) -> str:
        url = URL.create("postgresql+psycopg", USER, self._password, database=DATABASE)
        if self._on_socket():
            url = url.update_query_dict({"host": str(self._sockets)})
        else:
            url = url.set(host=ports.LOOPBACK, port=self._chosen_port())
        return url.render_as_string(hide_password=False)

    def child(self) -> Child:
        """Postgres itself. The supervisor's death means a fast shutdown: clean, and quick."""
        return Child(
            role="postgres",
            name=self.name,
            argv=(str(self._programs().postgres), "-D", str(self.cluster), *self._flags()),
            env=ENVIRONMENT,
            clean=True,
            cwd=self.cluster.parent,
            user=self.places.user,
            stop_signal=FAST_SHUTDOWN,
            stop_timeout=60.0,
            death_signal=FAST_SHUTDOWN,
            before=self._prepare,
            ready=self.ready,
        )

    def ready(self) -> bool:
        """Whether it lets us in: after a crash it first reads its log to the end."""
        on_socket = self._on_socket()
        try:
            psycopg.connect(
                host=str(self._sockets) if on_socket else ports.LOOPBACK,
                port=SOCKET_PORT if on_socket else self._chosen_port(),
                user=USER,
                password=self._password,
                dbname=DATABASE,
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare(self) -> None:
        """Make the cluster if there is none, and end what a killed run left behind."""
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster()
        own_directory(self._sockets, self.places.user)
        self._end_leftovers()
        self._clear_pid_file()

    def _end_leftovers(self) -> None:
        """Ask a postmaster that still runs to stop; end backends whose postmaster was killed.

        Only a postmaster may be sent the shutdown signal: to others it means other things.
        """
        left = processes.working_in(self.cluster, program="postgres")
        postmaster = _first_number(self.cluster / "postmaster.pid")
        processes.end([pid for pid in left if pid == postmaster], by=FAST_SHUTDOWN, within=30)
        left = processes.working_in(self.cluster, program="postgres")
        processes.end(left, by=signal.SIGQUIT, within=5)

    def _make_cluster(self) -> None:
        """initdb beside, then rename: a cluster that is there is whole."""
        new = self.cluster.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        own_directory(new, self.places.user)
        password = self.cluster.with_name("initdb_password")
        readable_file(password, self._password + "\n", user=self.places.user)
        try:
            self._initdb(new, password)
        finally:
            password.unlink()
        new.rename(self.cluster)

    def _initdb(self, directory: Path, password: Path) -> None:
        """The built-in C.UTF-8 sorts the same on every machine."""
        options = (
            f"--username={USER} --auth=scram-sha-256 --encoding=UTF8 --no-instructions "
            "--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C"
        ).split()
        program = str(self._programs().initdb)
        argv = (program, "-D", str(directory), *options, f"--pwfile={password}")
        making = Child(
            "postgres", "initdb", argv, env=ENVIRONMENT, clean=True, user=self.places.user
        )
        log = self.places.logs / "initdb.log"
        if spawn(making, log).wait() != 0:
            raise Refused("postgres_not_made", f"initdb failed: {last_words(log)} (more in {log})")

    def _programs(self) -> PostgresPrograms:
        """The programs for the cluster that is here: data of one major version needs its own."""
        try:
            made_by = int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            return postgres_programs()
        return postgres_programs(version=made_by)

    def _flags(self) -> list[str]:
        sockets, addresses, port = str(self._sockets), "", SOCKET_PORT
        if not self._on_socket():
            sockets, addresses, port = "", ports.LOOPBACK, self._chosen_port()
        reach = {
            "unix_socket_directories": sockets,
            "listen_addresses": addresses,
            "port": str(port),
        }
        return [f"--{name}={value}" for name, value in {**FLAGS, **reach}.items()]

    def _on_socket(self) -> bool:
        """Not in a deep directory, whose name is too long; and a comma would part two hosts."""
        path = str(self._sockets / SOCKET_NAME)
        return len(path.encode()) <= LONGEST_SOCKET_PATH and "," not in path

    def _chosen_port(self) -> int:
        """Last time's port if it can be had, and the same one for as long as this object lives."""
        if self._port is None:
            self._port = ports.kept(self.places.servers / "postgres_port")
        return self._port

    def _clear_pid_file(self) -> None:
        """Remove a lock whose pid now belongs to another program, which Postgres would wait for.

        When the pid is free Postgres clears the lock itself, and checks more than we could.
        """
        if not processes.LINUX:
            return
        for lock in (self.cluster / "postmaster.pid", self._sockets / f"{SOCKET_NAME}.lock"):
            if processes.look(_first_number(lock)):
                lock.unlink()


def _first_number(path: Path) -> int:
    """The number a lock file of Postgres begins with; 0 if there is none."""
    try:
        return abs(int(path.read_text().split()[0]))
    except (FileNotFoundError, ValueError, IndexError):
        return 0
