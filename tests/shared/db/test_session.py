"""Transactions, and what becomes of those whose owner freezes in the middle."""

import threading

import pytest
from sqlalchemy import Connection, text

from shared.db import session
from shared.db.session import connect, retried, statement, transaction
from tests.support import factories
from tests.support.ledger import Waits

MARK = text("UPDATE control SET stopped_by = :by")


def mark(connection: Connection, by: str = "ann") -> None:
    connection.execute(MARK, {"by": by})


def marked_by() -> str:
    return factories.one("SELECT stopped_by AS by FROM control").by


def test_who_freezes_in_mid_transaction_holds_nobody_up_for_long_and_does_it_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FROZEN_AFTER", "300ms")
    quick = connect(database)
    monkeypatch.setattr(session, "engine", lambda: quick)
    holds, thaws, tries = threading.Event(), threading.Event(), []  # type: ignore[var-annotated]

    def freezes(connection: Connection) -> None:
        mark(connection, f"frozen, try {len(tries)}")
        tries.append(1)
        holds.set()
        thaws.wait(20)

    frozen = Waits(lambda: retried(freezes))
    holds.wait(20)
    Waits(lambda: retried(mark)).join()
    meanwhile = marked_by()
    thaws.set()
    frozen.join()

    assert (meanwhile, marked_by()) == ("ann", "frozen, try 1")
    quick.dispose()


def test_every_connection_is_bound_so_after_it_was_used_as_well(database: str) -> None:
    with statement() as connection:
        mark(connection)

    with transaction() as connection:
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()

    assert limit == session.FROZEN_AFTER


def test_a_statement_is_committed_when_it_is_answered(database: str) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def freezes(connection: Connection) -> None:
        mark(connection)
        asked.set()
        go_on.wait(20)

    frozen = Waits(lambda: retried(freezes, within=statement))
    asked.wait(20)
    seen = marked_by()
    go_on.set()
    frozen.join()

    assert seen == "ann"


def test_a_transaction_that_follows_on_a_statements_connection_is_whole_again(
    database: str,
) -> None:
    with statement() as connection:
        mark(connection)

    with pytest.raises(ZeroDivisionError), transaction() as connection:
        mark(connection, "bob")
        raise ZeroDivisionError

    assert marked_by() == "ann"
