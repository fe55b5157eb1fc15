"""The embedded servers alone: started, stopped, killed, and what they keep."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from deploy.local.data_dirs import data_dir as places_module
from deploy.local.data_dirs.data_dir import places
from deploy.local.servers.embedded import EmbeddedServer
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import processes
from shared.errors import Refused
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One for all tests, which leave it running and empty."""
    with temporary_data_dir() as path:
        server = EmbeddedPostgres(path)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedValkey]:
    """One for all tests, which leave it running and empty."""
    with temporary_data_dir() as path:
        server = EmbeddedValkey(path)
        server.start()
        yield server
        server.stop()


def test_postgres_keeps_its_rows_when_it_is_stopped_and_started(postgres: EmbeddedPostgres) -> None:
    query(postgres, "CREATE TABLE stopped AS SELECT 7 AS n")

    postgres.stop()
    postgres.start()

    assert query(postgres, "SELECT n FROM stopped") == [(7,)]


def test_postgres_keeps_what_was_committed_before_it_was_killed(postgres: EmbeddedPostgres) -> None:
    query(postgres, "CREATE TABLE killed AS SELECT 7 AS n")

    kill(postgres)
    postgres.stop()
    postgres.start()

    assert query(postgres, "SELECT n FROM killed") == [(7,)]


def test_postgres_starts_although_its_old_pid_belongs_to_another_program(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    kill(postgres)
    lock = postgres.cluster / "postmaster.pid"
    words = lock.read_text().splitlines()

    lock.write_text("\n".join([str(valkey.pid), *words[1:]]) + "\n")
    postgres.stop()
    postgres.start()

    assert query(postgres, "SELECT 1") == [(1,)]
    assert valkey.alive()


def test_postgres_loses_nothing_to_a_power_cut(postgres: EmbeddedPostgres) -> None:
    settings = {name: query(postgres, f"SHOW {name}") for name in ("fsync", "synchronous_commit")}

    assert settings == {"fsync": [("on",)], "synchronous_commit": [("on",)]}


def test_postgres_sorts_the_same_on_every_machine(postgres: EmbeddedPostgres) -> None:
    found = query(
        postgres,
        "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding) FROM pg_database",
    )

    assert set(found) == {("b", "C.UTF-8", "UTF8")}


def test_postgres_lets_nobody_in_without_the_password(postgres: EmbeddedPostgres) -> None:
    url = make_url(postgres.url)

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(url.query["host"]), user=url.username, password="wrong")


def test_postgres_does_not_write_what_it_is_told_into_its_log(postgres: EmbeddedPostgres) -> None:
    query(postgres, "CREATE TABLE people (phone text UNIQUE)")
    query(postgres, "INSERT INTO people VALUES ('+15005550199')")

    with pytest.raises(psycopg.errors.UniqueViolation):
        query(postgres, "INSERT INTO people VALUES ('+15005550199')")

    log = postgres.log.read_text()
    assert "duplicate key" in log
    assert "+15005550199" not in log


def test_a_directory_too_deep_for_a_socket_is_served_by_tcp(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.parent.chmod(0o755)
    deep = data_dir.parent / ("d" * 100)
    monkeypatch.setattr(places_module, "ROOT_PLACES", [deep / "of-root"])
    server = EmbeddedPostgres(deep / "data")

    server.start()

    url = make_url(server.url)
    assert (url.host, "host" in url.query) == ("127.0.0.1", False)
    assert query(server, "SELECT 1") == [(1,)]
    server.stop()


def test_valkey_keeps_its_queue_port_and_password_when_it_is_killed(valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.rpush("queue", "first", "second")

    kill(valkey)
    valkey.stop()
    again = EmbeddedValkey(valkey.places.data_dir)
    again.start()

    assert again.url == valkey.url
    with redis.Redis.from_url(again.url) as client:
        assert client.lrange("queue", 0, -1) == [b"first", b"second"]
    again.stop()
    valkey.start()


def test_valkey_evicts_nothing_and_writes_everything_down(valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        found = {**client.config_get("maxmemory-policy"), **client.config_get("append*")}

    assert found["maxmemory-policy"] == "noeviction"
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "everysec")


def test_valkey_lets_nobody_in_without_the_password(valkey: EmbeddedValkey) -> None:
    port = make_url(valkey.url).port

    with redis.Redis(port=port, retry=None) as client, pytest.raises(redis.AuthenticationError):  # type: ignore[arg-type]
        client.ping()


def test_no_password_is_on_a_command_line(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> None:
    secrets = [make_url(postgres.url).password, make_url(valkey.url).password]

    lines = [Path(f"/proc/{server.pid}/cmdline").read_text() for server in (postgres, valkey)]

    assert all(secrets)
    assert not [line for line in lines for secret in secrets if str(secret) in line]


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_server_that_runs_is_not_started_a_second_time(
    data_dir: Path, kind: type[EmbeddedServer]
) -> None:
    first = kind(data_dir)
    first.start()

    with pytest.raises(Refused, match="already running"):
        kind(data_dir).start()

    assert first.ready()
    first.stop()


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_server_whose_starter_was_killed_makes_room_for_the_next(
    data_dir: Path, kind: type[EmbeddedServer]
) -> None:
    abandoned = kind(data_dir)
    abandoned.start()
    left = abandoned.pid
    abandoned.release()  # as the kernel does when the starter dies

    successor = kind(data_dir)
    successor.start()

    assert successor.ready()
    assert left is not None and processes.look(left) is None
    successor.stop()
    abandoned.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its privileges away")
def test_as_root_the_servers_run_as_nobody_and_no_old_directory_is_opened(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    server = EmbeddedPostgres(data_dir)
    server.start()

    assert Path(f"/proc/{server.pid}").stat().st_uid == places(data_dir).user.uid != 0  # type: ignore[union-attr]
    assert data_dir.parent.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "servers").is_symlink()
    assert (data_dir / "servers").stat().st_uid == 0
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="the link is root's")
def test_data_that_is_gone_is_never_silently_begun_anew(data_dir: Path) -> None:
    places(data_dir)
    link = data_dir / "servers"
    link.resolve().rename(gone := link.resolve().with_name("gone"))

    with pytest.raises(Refused, match="bring it back"):
        places(data_dir)

    gone.rename(link.readlink())


def query(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    url = server.url.replace("postgresql+psycopg", "postgresql")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def kill(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not server.alive(), seconds=60)
