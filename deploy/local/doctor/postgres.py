"""A database of somebody's own: does it answer, may we write, is it what this program needs?

Each check looks and changes nothing.
"""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from deploy.local.doctor.finding import Finding, fail, ok
from shared import secrets
from shared.db.trouble import reason
from shared.errors import Misconfigured
from shared.given.addresses import without_password

if TYPE_CHECKING:  # alembic is slow to import, and most commands do not need it
    from shared.db.migrate import Schema

SETTING = "VOLLEY_DATABASE_URL"
#: libpq waits two seconds at the least; a person wants to know within three.
PATIENCE_SECONDS = 2
#: The oldest that Volley is tried with.
OLDEST = 15
#: So many agents' own credentials are tried: one that does not open is enough to know.
TRIED = 200

_STATE = """
    SELECT current_setting('server_version_num')::int / 10000,
           split_part(current_setting('server_version'), ' ', 1),
           pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
           getdatabaseencoding(), current_user::text, current_schema()::text
"""
_MAY_CREATE = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
#: An old schema is changed by the owner of its tables, or a role that may act as one.
_NOT_OWNED = """
    SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
      AND c.relname = ANY(%s) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
#: The sequence of an identity column needs no right of its own.
_NOT_WRITABLE = """
    SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
      AND (c.relkind = 'r' AND c.relname = ANY(%s) AND NOT (
             has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
             AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
    ORDER BY 1
"""
_SEALED = "SELECT credentials FROM agent WHERE credentials IS NOT NULL ORDER BY key LIMIT %s"


class State(NamedTuple):
    """What a database says about itself."""

    major: int
    version: str
    standby: bool
    read_only: bool
    encoding: str
    role: str
    #: None when the role may use none.
    schema: str | None


def load() -> None:
    """Import what the checks need and most commands do not: alembic takes long."""
    importlib.import_module("shared.db.migrate")
    importlib.import_module("shared.db.models")


def postgres(url: str, *, migrates: bool = False) -> Iterator[Finding]:
    """Every check, until one fails. With `migrates`, a schema may be old that we may change."""
    try:
        with _connected(url) as connection:
            state = State(*_row(connection, _STATE))
            yield from _whole(connection, url, state, migrates=migrates)
    except (psycopg.Error, SQLAlchemyError, ValueError) as error:
        why = without_password(reason(getattr(error, "orig", None) or error), url)
        yield fail("database", f"cannot be used: {why}", fix=f"start it, or correct {SETTING}")


def sealed_with_another(url: str, key: str | None) -> Iterator[Finding]:
    """A finding if this SECRET_KEY does not open the agents' own credentials."""
    try:
        with _connected(url) as connection:
            rows = connection.execute(_SEALED, [TRIED]).fetchall()
    except psycopg.Error:
        return  # an old schema, or it is gone by now
    shut = sum(1 for (sealed,) in rows if not (key and secrets.opens(bytes(sealed), key)))
    if shut:
        yield fail(
            "secret key",
            "another VOLLEY_SECRET_KEY sealed the credentials of "
            + ("1 agent" if shut == 1 else f"{shut} agents"),
            fix="set the former key, or give the agents their credentials again (volley agent set)",
        )


def _connected(url: str) -> psycopg.Connection:
    return psycopg.connect(
        url.replace("postgresql+psycopg://", "postgresql://", 1),
        connect_timeout=PATIENCE_SECONDS,
        autocommit=True,
        prepare_threshold=None,  # a pooler may not keep them
    )


def _row(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise ValueError("it answers nothing")
    return tuple(row)


def _whole(
    connection: psycopg.Connection, url: str, state: State, *, migrates: bool
) -> Iterator[Finding]:
    for finding in (_version(state), _writable(state), _encoding(state)):
        if finding is not None:
            yield finding
            return
    yield ok("database", f"answers (Postgres {state.version})")
    yield _schema(connection, url, state, migrates=migrates)


def _version(state: State) -> Finding | None:
    if state.major >= OLDEST:
        return None
    return fail(
        "database",
        f"Postgres {state.version} is too old",
        fix=f"let {SETTING} name one of version {OLDEST} or newer",
    )


def _writable(state: State) -> Finding | None:
    if state.standby:
        return fail("database", "is a standby, read-only", fix=f"let {SETTING} name the primary")
    if state.read_only:
        return fail(
            "database",
            "is read-only (default_transaction_read_only)",
            fix=f"set that to off for the role, or let {SETTING} name another database",
        )
    return None


def _encoding(state: State) -> Finding | None:
    if state.encoding == "UTF8":
        return None
    return fail(
        "database",
        f"is encoded in {state.encoding}, which cannot hold every text",
        fix=f"let {SETTING} name a database made with ENCODING 'UTF8'",
    )


def _schema(connection: psycopg.Connection, url: str, state: State, *, migrates: bool) -> Finding:
    from shared.db.migrate import Schema

    if state.schema is None:
        return _no_right(state, "use any schema", grant="USAGE and CREATE on schema public")
    found = _standing(url, state)
    if isinstance(found, Finding):
        return found
    if found is Schema.NEWEST:
        if shut := _named(connection, _NOT_WRITABLE):
            return _no_right(state, f"read and write {_first(shut)}", grant="all on these tables")
        return ok("schema", "the newest")
    if not _row(connection, _MAY_CREATE)[0]:
        return _no_right(state, "make tables", grant=f"CREATE on schema {state.schema}")
    if foreign := _named(connection, _NOT_OWNED):
        return _no_right(state, f"change {_first(foreign)}", grant="the role that owns them")
    if migrates:
        return ok("schema", "older than this program")
    return fail("schema", "older than this program", fix="run volley migrate")


def _standing(url: str, state: State) -> "Schema | Finding":
    """How the schema stands to this program's; a finding if that is no good, or cannot be seen."""
    from shared.db.migrate import refuse_newer, schema_of

    try:
        found = schema_of(url)
        refuse_newer(found)
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        return _no_right(state, "read Volley's tables", grant="all on all tables of Volley")
    except Misconfigured as refusal:
        says, _, fix = refusal.message.rstrip(".").partition(": ")
        return fail("schema", says[0].lower() + says[1:], fix=fix)
    return found


def _no_right(state: State, to: str, *, grant: str) -> Finding:
    return fail(
        "rights",
        f"the role {state.role} may not {to}",
        fix=f"grant it {grant}, or let {SETTING} name a role that may",
    )


def _named(connection: psycopg.Connection, query: str) -> list[str]:
    from shared.db.models import Base

    return [name for (name,) in connection.execute(query.encode(), [list(Base.metadata.tables)])]


def _first(tables: list[str]) -> str:
    return tables[0] if len(tables) == 1 else f"{tables[0]} and {len(tables) - 1} more tables"
