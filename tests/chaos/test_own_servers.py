"""Servers of one's own: a pooler that keeps no session, and a broker that is restarted."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.local.doctor.finding import Verdict
from deploy.local.doctor.pooler import pooler
from shared.db import session
from shared.db.migrate import Schema, schema_of, upgrade
from shared.db.session import POOLED, connect
from tests.chaos.own_servers import SETTINGS, run
from tests.support import own_servers as own

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.alone]

needs_pgbouncer = pytest.mark.skipif(
    bool(own.missing("Postgres", "PgBouncer")), reason="Postgres or PgBouncer is not installed"
)
needs_rabbitmq = pytest.mark.skipif(
    bool(own.missing("RabbitMQ")), reason="RabbitMQ is not installed"
)
AWAY, BACK = "broker.away", "broker.back"


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    with own.postgres() as url:
        yield url


@pytest.fixture(scope="module")
def pooled_url(database_url: str) -> Iterator[str]:
    """Transactions are pooled, on two connections to Postgres."""
    with own.pgbouncer(database_url, mode="transaction", connections=2) as url:
        yield url


@needs_pgbouncer
def test_a_campaign_behind_a_pooler_of_transactions_reaches_everybody_once() -> None:
    (setting,) = [setting for setting in SETTINGS if "transaction mode" in setting.name]

    assert run(setting).good


@needs_pgbouncer
def test_behind_a_pooler_no_statement_is_prepared_and_no_setting_stays(pooled_url: str) -> None:
    engine = connect(pooled_url)
    seen = set()
    with engine.connect() as one, engine.connect() as other:
        for _ in range(20):
            for connection in (one, other):  # both at once, so that they change servers
                connection.execute(text("SELECT count(*) FROM pg_class WHERE oid > :n"), {"n": 1})
                seen.add(connection.scalar(text("SHOW idle_in_transaction_session_timeout")))
            one.commit()
            other.commit()
        assert one.info[POOLED]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        prepared = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        outside = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    engine.dispose()

    assert seen == {session.FROZEN_AFTER}
    assert (prepared, outside) == (0, "0")


@needs_pgbouncer
def test_who_freezes_behind_a_pooler_is_ended_too(
    pooled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FROZEN_AFTER", "300ms")
    engine = connect(pooled_url)
    frozen = engine.connect()
    frozen.execute(text("SELECT pg_advisory_xact_lock(4711)"))
    with engine.begin() as other:  # waits for the lock that the frozen one holds
        other.execute(text("SELECT pg_advisory_xact_lock(4711)"))

    with pytest.raises(DBAPIError):
        frozen.execute(text("SELECT 1"))
    frozen.close()
    engine.dispose()


@needs_pgbouncer
def test_a_migration_behind_a_pooler_leaves_no_lock(database_url: str, pooled_url: str) -> None:
    upgrade(pooled_url)
    upgrade(pooled_url)
    engine = connect(database_url)
    with engine.connect() as connection:
        held = connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
    engine.dispose()

    assert (schema_of(pooled_url) is Schema.NEWEST, held) == (True, 0)


@needs_pgbouncer
def test_doctor_names_the_pooler_and_refuses_one_that_breaks_transactions(
    database_url: str, pooled_url: str
) -> None:
    with own.pgbouncer(database_url, mode="statement") as broken_url:
        (broken,) = pooler(broken_url)
    (good,) = pooler(pooled_url)

    assert (broken.verdict, good.verdict) == (Verdict.FAIL, Verdict.OK)
    assert "pool_mode" in str(broken.fix)
    assert not list(pooler(database_url))


@needs_rabbitmq
def test_a_broker_restarted_under_load_loses_nobody_and_is_told_of_once_each_time() -> None:
    (setting,) = [setting for setting in SETTINGS if "RabbitMQ" in setting.name]
    with setting.laid() as (stack, load):
        campaign = stack.upload(500, stack.add_agents(16))
        stack.launch(campaign)
        load(stack)
        stack.converge()
        truth = stack.truth()
        logs = {path.stem: path for path in stack.stack.data_dir.glob("logs/*.log")}
        told = {name: _told(path) for name, path in logs.items()}
        tracebacks = [name for name, path in logs.items() if "Traceback" in path.read_text()]

    assert truth.statuses == {"delivered": 500}
    for name in ("worker-1", "worker-2", "worker-tending", "scheduler"):
        assert (told[name][AWAY], told[name][BACK]) == (2, 2)
    assert told["scheduler"]["queue.publish_failed"] <= 4  # two processes, twice
    assert tracebacks == []


def _told(log: Path) -> Counter[str]:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line[:1] == "{"]
    return Counter(json.loads(line)["event"] for line in lines)
