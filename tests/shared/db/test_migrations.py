"""The schema: what Alembic makes is what the models say, and keeps the rules of the trade."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from shared.db.migrate import is_newest, upgrade
from shared.db.models import Base
from shared.db.session import connect, engine
from shared.domain.message import MessageStatus
from tests.support import factories


@pytest.fixture
def empty(servers):
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


def test_an_empty_database_comes_to_the_newest_schema_and_doing_it_again_is_harmless(empty):
    before = is_newest(empty)

    upgrade(empty)
    upgrade(empty)

    assert (before, is_newest(empty)) == (False, True)


def test_several_processes_may_upgrade_at_once(empty):
    program = "import sys; from shared.db.migrate import upgrade; upgrade(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, empty]) for _ in range(4)]

    assert [process.wait(120) for process in started] == [0, 0, 0, 0]
    assert is_newest(empty)


def test_several_threads_may_upgrade_at_once(empty):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [empty] * 4))

    assert is_newest(empty)


def test_the_models_say_what_the_schema_is(database):
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_no_index_mentions_the_status_of_a_row_of_the_ledger(database):
    indexes = factories.rows(
        "SELECT indexdef FROM pg_indexes WHERE tablename IN ('message', 'attempt', 'recipient')"
    )

    assert len(indexes) >= 8
    assert not [row.indexdef for row in indexes if "status" in row.indexdef]


def test_a_move_of_status_is_a_hot_update(database):
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


def test_pages_of_the_ledger_keep_room_for_updates(database):
    options = factories.rows(
        "SELECT relname, reloptions FROM pg_class WHERE relname IN ('message', 'attempt')"
    )

    assert {row.relname: "fillfactor=70" in row.reloptions for row in options} == {
        "message": True,
        "attempt": True,
    }


@pytest.mark.parametrize("status", sorted(MessageStatus))
def test_a_message_is_in_the_queue_exactly_while_it_is_ready(database, status):
    agent = factories.agent()
    campaign = factories.campaign(agent)
    wrong = {"due_at": None} if status == "ready" else {"due_at": text("now()")}

    factories.message(campaign, agent, status=status)
    with pytest.raises(IntegrityError, match="ready_is_due"):
        factories.message(campaign, agent, status=status, **wrong)


def test_a_row_a_round_and_a_sid_are_unique(database):
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


def test_a_word_that_is_no_status_is_refused(database):
    agent = factories.agent()

    with pytest.raises(IntegrityError, match="ck_message_status"):
        factories.message(factories.campaign(agent), agent, status="queued")


def test_no_extension_is_needed(database):
    assert factories.rows("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'") == []
