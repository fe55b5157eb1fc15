"""Bring a database to the newest schema; safe to run from several processes at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shared.db.session import connect

_LOCK = 0x566F6C6C6579  # "Volley"


def configuration(url: str) -> Config:
    """Alembic's configuration for `url`; the same folder that pyproject.toml names."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Run all missing migrations under an advisory lock, so that only one process does."""
    engine = connect(url)
    # No transaction is open while it holds the lock: Postgres would take a long migration for a
    # client that has frozen.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        try:
            command.upgrade(configuration(url), "head")
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
    engine.dispose()


def is_newest(url: str) -> bool:
    """Whether the database's schema is the one this code was written for."""
    engine = connect(url)
    head = ScriptDirectory.from_config(configuration(url)).get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return current == head
