"""The database: one engine, and the only commit there is.

Nobody holds a transaction open across the network to a provider: claim, call, record are two
commits.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

import orjson
from psycopg import errors as pg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from shared.errors import Refused
from shared.logging import get_logger
from shared.settings import settings

T = TypeVar("T")
log = get_logger(__name__)
_one_at_a_time = threading.Lock()

#: Who freezes in mid-transaction holds its locks against everybody: Postgres ends it after so long.
FROZEN_AFTER = "15s"
#: Another transaction won a race we are allowed to run again.
_RACES = (pg.DeadlockDetected, pg.SerializationFailure)


def engine() -> Engine:
    """The process's engine. Raises Refused when no database is configured."""
    with _one_at_a_time:  # two threads that ask first must not make two
        return _engine()


@cache
def _engine() -> Engine:
    url = settings().database_url
    if url is None:
        raise Refused(
            "no_database",
            "No database: start the stack with 'volley up', or set VOLLEY_DATABASE_URL.",
            status=503,
        )
    return connect(url.get_secret_value())


def connect(url: str) -> Engine:
    """An engine for `url`, a postgresql:// or postgresql+psycopg:// address."""
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    made = create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=False,
        pool_use_lifo=True,  # few connections stay warm, and the others rest
        hide_parameters=True,  # numbers and texts: not for a traceback
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"connect_timeout": 5, "application_name": "volley"},
    )
    event.listen(made, "connect", _bound_freezes)
    return made


def _bound_freezes(connection: Any, _record: object) -> None:
    # A statement, not a start-up option: a pooler between may not know those.
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = '{FROZEN_AFTER}'")
    connection.autocommit = False


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises."""
    with engine().begin() as connection:
        yield connection


@contextmanager
def statement() -> Iterator[Connection]:
    """Each statement commits by itself, on the server: who freezes after asking holds no lock."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def retried(
    work: Callable[[Connection], T],
    *,
    tries: int = 5,
    within: Callable[[], AbstractContextManager[Connection]] = transaction,
) -> T:
    """Run `work` in one transaction, again when it lost a deadlock or its connection was stale.

    A lost connection is retried only when nothing was committed for sure: `work` must be safe to
    run twice, which every guarded statement here is.
    """
    for attempt in range(1, tries + 1):
        try:
            with within() as connection:
                return work(connection)
        except (OperationalError, InterfaceError, DBAPIError) as error:
            if attempt == tries or not _worth_retrying(error):
                raise
            log.warning("database.retry", error=type(error.orig).__name__, attempt=attempt)
            time.sleep(0.02 * attempt)
    raise AssertionError("unreachable")


def _worth_retrying(error: DBAPIError) -> bool:
    return isinstance(error.orig, _RACES) or bool(error.connection_invalidated)
