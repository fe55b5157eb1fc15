"""Servers of one's own: what only a server in that state can show."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import psycopg
import pytest
import redis

from deploy.local.doctor import pooler, postgres, servers, stores
from deploy.local.doctor.finding import Finding, Verdict, ok
from deploy.local.doctor.servers import Check, at_once, required
from deploy.local.servers.postgres import EmbeddedPostgres
from shared.db.migrate import upgrade
from shared.errors import Refused
from shared.settings import Settings
from tests.support.embedded import running_valkey, temporary_data_dir

KEY = "sixteen characters and more"


@pytest.mark.stack
def test_a_standby_is_told_from_a_primary() -> None:
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        upgrade(server.url)
        server.stop()
        signal = server.cluster / "standby.signal"
        signal.touch()
        owner = server.cluster.stat()
        os.chown(signal, owner.st_uid, owner.st_gid)
        server.start()
        try:
            (finding,) = postgres.postgres(server.url)
        finally:
            server.stop()

    assert finding.verdict is Verdict.FAIL
    assert "standby" in finding.says
    assert "primary" in finding.fix


@pytest.mark.stack
def test_the_version_is_told_and_one_too_old_is_refused(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database.replace("+psycopg", "", 1)) as connection:
        number = connection.info.server_version // 10_000

    assert f"(Postgres {number}" in next(postgres.postgres(database)).says
    monkeypatch.setattr(postgres, "OLDEST", number + 1)
    (finding,) = postgres.postgres(database)

    assert finding.verdict is Verdict.FAIL
    assert f"version {number + 1} or newer" in finding.fix


@pytest.mark.stack
def test_an_old_schema_is_no_obstacle_to_who_may_change_it(database: str) -> None:
    with psycopg.connect(database.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute("DELETE FROM alembic_version")

    told = list(postgres.postgres(database))
    migrating = list(postgres.postgres(database, migrates=True))

    assert (told[-1].verdict, told[-1].fix) == (Verdict.FAIL, "run volley migrate")
    assert {finding.verdict for finding in migrating} == {Verdict.OK}


@pytest.mark.stack
def test_the_key_that_sealed_opens_and_a_database_without_agents_asks_for_none(
    database: str,
) -> None:
    assert list(postgres.sealed_with_another(database, None)) == []


@pytest.mark.stack
def test_servers_that_are_well_let_the_stack_start(database: str) -> None:
    with running_valkey() as store:
        chosen = Settings.model_validate(
            {"database_url": database, "redis_url": store, "secret_key": KEY}
        )

        required(chosen)
        with redis.Redis.from_url(store) as client:
            client.replicaof("127.0.0.1", "1")
        with pytest.raises(Refused, match=r"replica.*VOLLEY_REDIS_URL"):
            required(chosen)


def test_a_server_that_takes_for_ever_is_named_when_its_time_is_over() -> None:
    never = threading.Event()

    def ask() -> Iterator[Finding]:
        never.wait()
        yield ok("store", "answers")

    slow = Check("store", "VOLLEY_REDIS_URL", ask)
    quick = Check("broker", "VOLLEY_BROKER_URL", lambda: [ok("broker", "answers")])

    late, answered = at_once([slow, quick], seconds=0.05)
    never.set()

    assert (late.verdict, late.fix) == (Verdict.FAIL, "start it, or correct VOLLEY_REDIS_URL")
    assert answered == ok("broker", "answers")


def test_every_wait_ends_before_a_person_has_waited_three_seconds() -> None:
    patience = [module.PATIENCE_SECONDS for module in (postgres, pooler, stores)]

    assert max(patience) < servers.LONGEST_SECONDS < 3


def test_all_are_asked_at_once() -> None:
    together = threading.Barrier(3)

    def ask() -> list[Finding]:
        together.wait(30)  # breaks unless the others are being asked, too
        return [ok("store", "answers")]

    checks = [Check(name, name, ask) for name in ("database", "store", "broker")]

    assert len(at_once(checks, seconds=60)) == 3


def test_a_servers_time_begins_when_all_is_imported_that_asking_needs() -> None:
    loaded: list[str] = []
    never = threading.Event()

    def ask() -> list[Finding]:
        loaded.append("asked")
        never.wait()
        return []

    def load() -> None:
        never.wait(0.2)
        loaded.append("loaded")

    (late,) = at_once([Check("store", "VOLLEY_REDIS_URL", ask, load)], seconds=0.1)
    never.set()

    assert (late.verdict, loaded) == (Verdict.FAIL, ["loaded", "asked"])


_IMPORTED = """
import sys
from deploy.local.doctor import servers
from shared.errors import Refused
from shared.settings import Settings

begun, imported = servers._begun, set()

def asked(check, answer):
    before = set(sys.modules)
    thread = begun(check, answer)
    thread.join()
    imported.update(set(sys.modules) - before)
    return thread

servers._begun = asked
given = {"secret_key": "sixteen characters and more"} | dict([sys.argv[1:]])
try:
    servers.required(Settings.model_validate(given))
except Refused as refused:
    print(refused.message, file=sys.stderr)
print(*sorted({name.partition(".")[0] for name in imported}))
"""


@pytest.mark.stack
@pytest.mark.parametrize("name", ["database_url", "redis_url", "broker_url"])
def test_nothing_large_is_imported_while_a_server_is_asked(name: str, database: str) -> None:
    url = {
        "database_url": database,
        "redis_url": "redis://127.0.0.1:1/0",
        "broker_url": "amqp://u:p@127.0.0.1:1//",
    }[name]

    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED, name, url], capture_output=True, text=True, check=True
    )

    libraries = {"kombu", "amqp", "vine", "alembic", "mako", "sqlalchemy", "shared", "redis"}
    assert libraries & set(done.stdout.split()) == set(), done.stdout
    assert (name == "database_url") == (not done.stderr), done.stderr
