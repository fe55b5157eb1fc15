"""The schema: what Alembic makes is what the models say, and keeps the rules of the trade."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from shared.db.migrate import Schema, configuration, schema_of, upgrade
from shared.db.models import Base
from shared.db.session import connect, engine
from shared.domain.message import MessageStatus
from shared.ledger import callbacks
from tests.support import factories
from tests.support.embedded import Servers
from tests.support.environment import environment


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    whole = connect(servers.database_url)
    with whole.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS volley_empty WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE volley_empty"))
        yield (
            make_url(servers.database_url)
            .set(database="volley_empty")
            .render_as_string(hide_password=False)
        )
        connection.execute(text("DROP DATABASE volley_empty WITH (FORCE)"))
    whole.dispose()


def test_an_empty_database_comes_to_the_newest_schema_and_doing_it_again_is_harmless(
    empty: str,
) -> None:
    before = schema_of(empty)

    upgrade(empty)
    upgrade(empty)

    assert (before, schema_of(empty)) == (Schema.OLDER, Schema.NEWEST)


OLD_LEDGER = """
INSERT INTO agent (id, provider, rate, account, credentials)
  VALUES ('own', 'twilio', 1, 'twilio:AC7', 'x');
INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, token)
  SELECT n, 1, (SELECT key FROM agent), n, s, gen_random_uuid()
  FROM (VALUES (1, 'sending'), (2, 'accepted'), (3, 'unknown'), (4, 'delivered')) AS v(n, s);
INSERT INTO attempt (message_id, part, n, token, status, claimed_at, claimed_by, check_at)
  SELECT id, 0, 1, token, status, now(), 'old', CASE WHEN id < 3 THEN now() END FROM message;
INSERT INTO callback (provider, message_id, part, token, sid, status, rank, raw, applied)
  SELECT 'twilio', m.id, 0, m.token, 'SM' || m.id, 'delivered', 3, r, applied FROM message m
  JOIN (VALUES (1, 'a=1&AccountSid=AC7', false), (2, '{"To": "1", "AccountSid": "AC7"}', false),
    (3, 'xAccountSid=AC7&AccountSid=AC9', false), (4, 'AccountSid=AC7', true)) AS v(id, r, applied)
  ON v.id = m.id;
"""


def test_calls_and_callbacks_under_way_get_their_accounts_with_the_schema(empty: str) -> None:
    command.upgrade(configuration(empty), "0001")
    before = connect(empty)
    with before.begin() as old:
        old.exec_driver_sql(OLD_LEDGER)
    before.dispose()

    upgrade(empty)

    with environment(database_url=empty):
        calls = factories.rows("SELECT account FROM attempt ORDER BY message_id")
        told = factories.rows("SELECT account, stranger FROM callback ORDER BY message_id")
        drained = callbacks.drain(timedelta(hours=1))
        ends = factories.rows("SELECT status FROM message ORDER BY id")
        # An API of the version before spools what it cannot store without an account.
        with pytest.raises(IntegrityError, match="account"):
            factories.change(
                "INSERT INTO callback (provider, status, rank, raw) VALUES ('twilio', '', 0, '')"
            )
    assert [row.account for row in calls] == ["twilio:AC7"] * 3 + [None]
    assert [row.account for row in told] == ["twilio:AC7", "twilio:AC7", "twilio:AC9", ""]
    assert drained == 3
    assert [row.status for row in ends] == ["delivered", "delivered", "unknown", "delivered"]


def test_several_processes_may_upgrade_at_once(empty: str) -> None:
    program = "import sys; from shared.db.migrate import upgrade; upgrade(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, empty]) for _ in range(4)]

    assert [process.wait(120) for process in started] == [0, 0, 0, 0]
    assert schema_of(empty) is Schema.NEWEST


def test_several_threads_may_upgrade_at_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [empty] * 4))

    assert schema_of(empty) is Schema.NEWEST


def test_the_models_say_what_the_schema_is(database: str) -> None:
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_no_index_mentions_the_status_of_a_row_of_the_ledger(database: str) -> None:
    indexes = factories.rows(
        "SELECT indexdef FROM pg_indexes WHERE tablename IN ('message', 'attempt', 'recipient')"
    )

    assert len(indexes) >= 8
    assert not [row.indexdef for row in indexes if "status" in row.indexdef]


def test_a_move_of_status_is_a_hot_update(database: str) -> None:
    agent = factories.agent()
    wanted = factories.message(factories.campaign(agent), agent, status="sending")

    for status in ("accepted", "sent", "delivered"):
        factories.change("UPDATE message SET status = :s WHERE id = :id", s=status, id=wanted)

    factories.rows("SELECT pg_stat_force_next_flush()")
    moved = factories.one(
        "SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables "
        "WHERE relname = 'message'"
    )
    assert moved.hot == moved.all


def test_pages_of_the_ledger_keep_room_for_updates(database: str) -> None:
    options = factories.rows(
        "SELECT relname, reloptions FROM pg_class WHERE relname IN ('message', 'attempt')"
    )

    assert {row.relname: "fillfactor=70" in row.reloptions for row in options} == {
        "message": True,
        "attempt": True,
    }


@pytest.mark.parametrize("status", sorted(MessageStatus))
def test_a_message_is_in_the_queue_exactly_while_it_is_ready(
    database: str, status: MessageStatus
) -> None:
    agent = factories.agent()
    campaign = factories.campaign(agent)
    wrong = {"due_at": None} if status == "ready" else {"due_at": text("now()")}

    factories.message(campaign, agent, status=status)
    with pytest.raises(IntegrityError, match="ready_is_due"):
        factories.message(campaign, agent, status=status, **wrong)


def test_a_row_a_round_and_a_sid_are_unique(database: str) -> None:
    agent = factories.agent()
    campaign = factories.campaign(agent)
    first = factories.message(campaign, agent)
    factories.attempt(first, sid="SM1")
    recipient = factories.one("SELECT * FROM recipient")

    with pytest.raises(IntegrityError, match="uq_message_recipient_id_round"):
        factories.message(campaign, agent, recipient_id=recipient.id)
    with pytest.raises(IntegrityError, match="uq_recipient_campaign_id_row"):
        factories.recipient(campaign, row=recipient.row)
    with pytest.raises(IntegrityError, match="uq_attempt_sid"):
        factories.attempt(first, n=2, sid="SM1")


def test_a_word_that_is_no_status_is_refused(database: str) -> None:
    agent = factories.agent()

    with pytest.raises(IntegrityError, match="ck_message_status"):
        factories.message(factories.campaign(agent), agent, status="queued")


def test_no_extension_is_needed(database: str) -> None:
    assert factories.rows("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == []
