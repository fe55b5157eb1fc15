"""Settings that cannot be used, and servers that make them so: for the table of wrong settings."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from sqlalchemy import make_url

from shared.secrets import seal
from tests.support import factories
from tests.support.embedded import Servers, running_valkey
from tests.support.environment import environment

#: No line that a person reads may hold one of these.
PASSWORD = "hunter2-Pa55word"
KEY = "sixteen characters and more"
FORMER_KEY = "the key that sealed everything"
SECRETS = (PASSWORD, KEY, FORMER_KEY)
#: Roles of the real server; each may do less than it needs.
ROLES = """
    CREATE ROLE guest LOGIN PASSWORD '{p}';
    CREATE ROLE crowd LOGIN PASSWORD '{p}' CONNECTION LIMIT 0;
    CREATE ROLE shut LOGIN PASSWORD '{p}';
    CREATE ROLE reader LOGIN PASSWORD '{p}';
    ALTER ROLE reader SET default_transaction_read_only = on;
"""


@dataclass(frozen=True)
class World:
    """Addresses of what is wrong in its own way, made once for the whole table."""

    good: str
    store: str
    replica: str
    newer: str
    anothers: str
    latin: str
    empty: str
    closed: str
    sealed: str
    mute: int
    directory: Path

    def role(self, name: str, database: str | None = None) -> str:
        """The address of a database for another role."""
        url = make_url(database or self.good).set(username=name, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    def database(self, name: str) -> str:
        """The address of another database of the same server."""
        return make_url(self.good).set(database=name).render_as_string(hide_password=False)

    def secrets(self) -> tuple[str, ...]:
        """What may be in no output."""
        urls = (self.good, self.store, self.replica)
        return (*SECRETS, *(str(make_url(url).password) for url in urls))


@contextlib.contextmanager
def world(servers: Servers, template: str, directory: Path) -> Iterator[World]:
    """Databases, roles, a replica and a server that never answers."""
    names = ("good", "newer", "anothers", "empty", "closed", "sealed")
    urls = {name: _named(servers, name) for name in (*names, "latin")}
    with _admin(servers) as admin:
        admin.execute(ROLES.format(p=PASSWORD).encode())
        for name in names:
            of = template if name not in {"anothers", "empty"} else "template1"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {of}".encode())
        admin.execute(
            b"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' "
            b"LOCALE_PROVIDER libc LOCALE 'C'"
        )
    _run(urls["newer"], "UPDATE alembic_version SET version_num = '9999'")
    _run(urls["anothers"], "CREATE TABLE alembic_version (version_num text)")
    _run(urls["anothers"], "INSERT INTO alembic_version VALUES ('abc')")
    _run(urls["closed"], "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    _seal(urls["sealed"])
    try:
        with _mute() as mute, _replica() as replica:
            yield World(
                store=servers.redis_url, replica=replica, mute=mute, directory=directory, **urls
            )
    finally:
        with _admin(servers) as admin:
            for name in urls:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            for role in ("guest", "crowd", "shut", "reader"):
                admin.execute(f"DROP ROLE {role}".encode())


def _named(servers: Servers, name: str) -> str:
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)


def _admin(servers: Servers) -> "psycopg.Connection":
    return psycopg.connect(servers.database_url.replace("+psycopg", "", 1), autocommit=True)


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(statement.encode())


def _seal(url: str) -> None:
    """An agent whose credentials were sealed with a key that is not the one of the table."""
    with environment(database_url=url, secret_key=FORMER_KEY):
        factories.agent(credentials=seal({"auth_token": PASSWORD}))


@contextlib.contextmanager
def _mute() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def _replica() -> Iterator[str]:
    with running_valkey() as url, redis.Redis.from_url(url) as client:
        client.replicaof("127.0.0.1", "1")
        yield url
