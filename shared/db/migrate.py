"""Bring a database to the newest schema; safe to run from several processes at once."""

import threading
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from shared.db.session import connect
from shared.errors import Misconfigured

#: For threads of one process, because Alembic has global state. Processes wait for each other by a
#: lock in the migration's transaction.
_one_at_a_time = threading.Lock()


class Schema(StrEnum):
    """A database's schema, compared with the program's."""

    NEWEST = "newest"
    #: or there is none
    OLDER = "older"
    NEWER = "newer"
    #: the tables of another program that uses Alembic
    ANOTHERS = "another's"


def configuration(url: str) -> Config:
    """Alembic's configuration for `url`; the same folder that pyproject.toml names."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Run all missing migrations. Several processes that call it run one after the other.

    Raises Refused if the schema is newer than this program.
    """
    with _one_at_a_time:
        refuse_newer(schema_of(url))
        command.upgrade(configuration(url), "head")


def schema_of(url: str) -> Schema:
    """The schema of the database at `url`, compared with the program's."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return schema(connection)
    finally:
        engine.dispose()


def schema(connection: Connection) -> Schema:
    """The database's schema, compared with the program's."""
    script = ScriptDirectory.from_config(configuration(""))
    current = MigrationContext.configure(connection).get_current_heads()
    known = {revision.revision for revision in script.walk_revisions()}
    if set(current) == {script.get_current_head()}:
        return Schema.NEWEST
    if set(current) <= known:
        return Schema.OLDER
    ours = inspect(connection).has_table("campaign")
    return Schema.NEWER if ours else Schema.ANOTHERS


def refuse_newer(found: Schema) -> None:
    """Raises Misconfigured if the schema is newer than the program, or another program's."""
    if found is Schema.NEWER:
        raise Misconfigured(
            "schema_newer",
            "The database's schema is newer than this program: update the program.",
        )
    if found is Schema.ANOTHERS:
        raise Misconfigured(
            "database_of_another",
            "The database holds another program's tables (alembic_version is not ours): let "
            "VOLLEY_DATABASE_URL name a database of Volley's own.",
        )
