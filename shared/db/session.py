"""The database: one engine, and the only commit in the code.

No transaction stays open during a call to a provider: claim, call, record are two commits.
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

from shared.errors import Misconfigured
from shared.logging import get_logger
from shared.settings import settings

T = TypeVar("T")
log = get_logger(__name__)
_one_at_a_time = threading.Lock()

#: A process that freezes inside a transaction keeps its locks: Postgres ends it after this time.
FROZEN_AFTER = "15s"
#: In a connection's `info`: whether a pooler (PgBouncer …) is between us and Postgres. A pooler
#: gives its clients another number than the pid of the server process. An idle pooler does not show
#: whether it keeps a session on one server, so we never rely on that.
POOLED = "pooled"
#: In a connection's `info`: the calls to make after its transaction has committed.
_TO_TELL = "to_tell"
#: Sets the time-out for the session; behind a pooler only for this statement, without effect.
_BOUND = """
    SELECT pg_backend_pid() <> %(pid)s, set_config(
        'idle_in_transaction_session_timeout', %(after)s, pg_backend_pid() <> %(pid)s)
"""
#: Another transaction won a race: ours may run again.
_RACES = (pg.DeadlockDetected, pg.SerializationFailure)


def engine() -> Engine:
    """The process's engine. Raises Misconfigured when no database is configured."""
    with _one_at_a_time:  # two threads at once must not make two engines
        return _engine()


@cache
def _engine() -> Engine:
    url = settings().database_url
    if url is None:
        raise Misconfigured(
            "no_database",
            "No database: start the stack with 'volley up', or set VOLLEY_DATABASE_URL.",
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
        pool_use_lifo=True,  # few connections stay warm
        hide_parameters=True,  # no phone numbers and texts in tracebacks
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"connect_timeout": 5, "application_name": "volley"},
    )
    event.listen(made, "connect", _on_connect)
    event.listen(made, "begin", _on_begin)
    return made


def _on_connect(connection: Any, record: Any) -> None:
    """Set the time-out for the session; behind a pooler set nothing that outlives a transaction."""
    # A statement, not a start-up option: a pooler may refuse those.
    connection.autocommit = True
    bound = {"pid": connection.info.backend_pid, "after": FROZEN_AFTER}
    pooled, _ = connection.execute(_BOUND, bound).fetchone()
    connection.autocommit = False
    record.info[POOLED] = pooled
    if pooled:
        connection.prepare_threshold = None  # the next transaction may run on another server


def _on_begin(connection: Connection) -> None:
    """Behind a pooler set the time-out in each transaction: a session's would reach others."""
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

    The functions given to `after_commit` are called after the commit, without the connection.
    """
    with engine().begin() as connection:
        to_tell = _after_commit_calls(connection)
        yield connection
    for tell in to_tell:
        tell()


@contextmanager
def statement() -> Iterator[Connection]:
    """Each statement commits by itself on the server: a process that then freezes keeps no lock."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        to_tell = _after_commit_calls(connection)
        yield connection
    for tell in to_tell:
        tell()


def after_commit(connection: Connection, tell: Callable[[], object]) -> None:
    """Call `tell` after this transaction has committed; never if it is rolled back.

    A receiver that hears of a change before its commit would look, see nothing, and sleep again.
    The same `tell` is called once, even if it is given several times. It must not raise.
    """
    connection.info.setdefault(_TO_TELL, {})[tell] = None


def _after_commit_calls(connection: Connection) -> dict[Callable[[], object], None]:
    """A new empty list for this transaction: an earlier one on the connection may have failed."""
    fresh: dict[Callable[[], object], None] = {}
    connection.info[_TO_TELL] = fresh
    return fresh


def retried(
    work: Callable[[Connection], T],
    *,
    tries: int = 5,
    within: Callable[[], AbstractContextManager[Connection]] = transaction,
) -> T:
    """Run `work` in one transaction; run it again after a deadlock or on a stale connection.

    `work` must be safe to run twice, as every guarded statement is. After a lost connection it runs
    again only if certainly nothing was committed.
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
