"""Every SQL statement under a name is one that Postgres understands, on the schema as it is.

The application's SQL is text (deploy/docs/decisions/0024): no tool but Postgres knows whether a
column it names is there.
"""

from typing import Final

import psycopg
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import TextClause

from shared.db.session import engine
from tests.support.factories import change
from tests.support.statements import named

_DIALECT: Final = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

STATEMENTS: Final = named()


def fault(statement: TextClause) -> str | None:
    """What Postgres has against planning it, in its own words; None if it has nothing."""
    words = str(statement.compile(dialect=_DIALECT))
    try:
        with engine().connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            with raw.cursor() as cursor:
                cursor.execute(f"EXPLAIN (GENERIC_PLAN) {words}")
    except psycopg.Error as error:
        return str(error).splitlines()[0]
    return None


def faults() -> dict[str, str]:
    """The statements that Postgres cannot plan, by name, with its words."""
    return {name: words for name, one in STATEMENTS.items() if (words := fault(one))}


@pytest.mark.usefixtures("database")
def test_postgres_understands_every_statement() -> None:
    assert faults() == {}


def test_the_statements_are_found() -> None:
    rooms = {name.split(".")[1] for name in STATEMENTS}

    assert len(STATEMENTS) >= 90
    assert rooms >= {"ledger", "views", "campaigns", "ingest", "http"}


@pytest.mark.usefixtures("database")
def test_a_renamed_column_is_told_with_the_statements_that_name_it() -> None:
    change("ALTER TABLE campaign RENAME COLUMN reason TO why")

    said = faults()

    assert {"shared.views.campaigns._ONE", "shared.ledger.campaigns._MOVE"} <= set(said)
    assert all("reason" in words for words in said.values())
