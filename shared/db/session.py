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
#: In a connection's `info`: whether a pooler (PgBouncer …) is between us and Postgres. One that is
#: tells its clients a number of its own where Postgres tells the pid of the server process. Whether
#: it keeps a session together cannot be seen while it has little to do, so none is counted on.
POOLED = "pooled"
#: In a connection's `info`: what others are told once its transaction has been committed.
_TO_TELL = "to_tell"
#: Set for the session, or where there is none, for this statement: for nothing.
_BOUND = """
    SELECT pg_backend_pid() <> %(pid)s, set_config(
        'idle_in_transaction_session_timeout', %(after)s, pg_backend_pid() <> %(pid)s)
"""
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
    event.listen(made, "connect", _on_connect)
    event.listen(made, "begin", _on_begin)
    return made


def _on_connect(connection: Any, record: Any) -> None:
    """Bound freezes for the session, if it is one; behind a pooler keep nothing in it."""
    # A statement, not a start-up option: a pooler may not know those.
    connection.autocommit = True
    bound = {"pid": connection.info.backend_pid, "after": FROZEN_AFTER}
    pooled, _ = connection.execute(_BOUND, bound).fetchone()
    connection.autocommit = False
    record.info[POOLED] = pooled
    if pooled:
        connection.prepare_threshold = None  # the next transaction may run on another server


def _on_begin(connection: Connection) -> None:
    """Behind a pooler each transaction brings its own bound: settings would stay with others."""
    if connection.info[POOLED] and not _autocommits(connection):
        connection.exec_driver_sql(
            f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_AFTER}'"
        )


def _autocommits(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.autocommit)


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    What was given to `after_commit` is called behind the commit, the connection given back.
    """
    with engine().begin() as connection:
        to_tell = _after_commit_calls(connection)
        yield connection
    for tell in to_tell:
        tell()


@contextmanager
def statement() -> Iterator[Connection]:
    """Each statement commits by itself, on the server: who freezes after asking holds no lock."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        to_tell = _after_commit_calls(connection)
        yield connection
    for tell in to_tell:
        tell()


def after_commit(connection: Connection, tell: Callable[[], object]) -> None:
    """Have `tell` called once this transaction has been committed, never when it is rolled back.

    Whoever heard of a change before it is committed would look, see nothing, and sleep again. The
    same `tell` is called once, however often it is given. It must not raise: the change stands.
    """
    connection.info.setdefault(_TO_TELL, {})[tell] = None


def _after_commit_calls(connection: Connection) -> dict[Callable[[], object], None]:
    """An empty list for this transaction: a former one of the same connection may have failed."""
    fresh: dict[Callable[[], object], None] = {}
    connection.info[_TO_TELL] = fresh
    return fresh


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
