"""The database for a command that is not the stack: external, a running stack's, or our own."""

import contextlib
from collections.abc import Iterator

from deploy.local.doctor.servers import database_required
from deploy.local.running import current
from deploy.local.servers.postgres import EmbeddedPostgres
from shared.settings import settings


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The database's URL. An embedded one that does not run is started for as long as the block.

    Raises Refused if it cannot be started, or the external one cannot be used.
    """
    chosen = settings()
    if chosen.database_url is not None:
        require()
        yield chosen.database_url.get_secret_value()
    elif stack := current(chosen.data_dir):
        yield stack.database_url
    else:
        server = EmbeddedPostgres(chosen.data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def require() -> None:
    """Raises Refused, with the fix, if the configured database cannot be used now."""
    if url := settings().database_url:
        database_required(url.get_secret_value())


def migrate() -> None:
    """Bring the database to the newest schema."""
    from shared.db.migrate import upgrade

    with database() as url:
        upgrade(url)
