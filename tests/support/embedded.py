"""Real Postgres and Valkey for tests: started once, thrown away at the end."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.places import discard
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.valkey import EmbeddedValkey


@dataclass(frozen=True)
class Servers:
    """Where the test servers are: a SQLAlchemy URL and a redis:// URL, passwords included."""

    database_url: str
    redis_url: str


@contextlib.contextmanager
def running_servers() -> Iterator[Servers]:
    """Both servers, for as long as the block. About a second to start."""
    with running_postgres() as database_url, running_valkey() as redis_url:
        yield Servers(database_url, redis_url)


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """A Postgres of its own; its URL. Its one database is empty and may be a template's base."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def running_valkey() -> Iterator[str]:
    """A Valkey of its own; its URL."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedValkey(data_dir)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A DATA_DIR with a short name (sockets need one), removed with all that it points to."""
    parent = Path(tempfile.mkdtemp(prefix="volley-"))
    try:
        yield parent / "data"
    finally:
        discard(parent / "data")
        shutil.rmtree(parent, ignore_errors=True)
