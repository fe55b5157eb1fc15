"""A real Postgres with the newest schema, and a real Valkey, for the length of a benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from shared.db.migrate import upgrade
from tests.support.broker import broker
from tests.support.embedded import Servers, running_servers, temporary_data_dir
from tests.support.environment import environment


@contextmanager
def world(**given: object) -> Iterator[Servers]:
    """Empty servers of our own; settings and broker point at them. `given` are further settings."""
    with running_servers() as servers, temporary_data_dir() as data_dir:
        upgrade(servers.database_url)
        with settled(servers, data_dir, **given), broker(servers.redis_url):
            yield servers


@contextmanager
def settled(servers: Servers, data_dir: Path, **given: object) -> Iterator[None]:
    """The process's settings point at these servers."""
    chosen = {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "secret_key": "a key for benchmarks",
        "data_dir": data_dir,
        "twilio_api_url": "http://127.0.0.1:9",
        "twilio_account_sid": "AC" + "1" * 32,
        "twilio_auth_token": "a token for benchmarks",
        "allow_private_urls": 1,
        "log_level": "warning",
    }
    with environment(**chosen | given):
        yield


def plain(servers: Servers) -> "psycopg.Connection[tuple[object, ...]]":
    """A bare psycopg connection, for what is to be measured without us. Autocommit."""
    url = make_url(servers.database_url).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
