"""Bring a database to the newest schema; safe to run from several processes at once."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.db.session import connect

#: For threads of one process, since Alembic keeps what it does in globals. For processes there is
#: a lock in the migration's own transaction.
_one_at_a_time = threading.Lock()


def configuration(url: str) -> Config:
    """Alembic's configuration for `url`; the same folder that pyproject.toml names."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Run all missing migrations; of several processes that do, one after the other."""
    with _one_at_a_time:
        command.upgrade(configuration(url), "head")


def is_newest(url: str) -> bool:
    """Whether the database's schema is the one this code was written for."""
    engine = connect(url)
    head = ScriptDirectory.from_config(configuration(url)).get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return current == head
