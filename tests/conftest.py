"""Fixtures every test may ask for: real servers, a database of its own, an empty Redis."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.db.migrate import upgrade
from shared.db.session import connect
from tests.support.embedded import (
    Servers,
    left_by_this_run,
    running_servers,
    sweep_killed_runs,
)
from tests.support.environment import environment

_TEMPLATE = "volley_template"
#: Seconds that a test with this mark may take, its fixtures included; the others: pyproject.toml.
_LONGER: Final = {"chaos": 1800, "bench": 3600}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tidy up after runs that were killed: once, before the processes of this run begin."""
    if not hasattr(session.config, "workerinput"):
        sweep_killed_runs()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server; give the long ones a longer bound, unless they have one
    of their own.
    """
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("servers")
        bounds = [seconds for name, seconds in _LONGER.items() if item.get_closest_marker(name)]
        if bounds and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(bounds)))


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail if the tests leave data of servers behind; first made, so that it ends last."""
    before = left_by_this_run(tmp_path_factory.getbasetemp())  # paths are used again, and pids
    yield
    left = left_by_this_run(tmp_path_factory.getbasetemp())
    assert [path for path in left if path not in before] == []


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """Signals do what they usually do, whoever started the tests: a script's background ignores
    SIGINT, and this process with it.
    """
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, does) for number, does in usual.items()}  # type: ignore[arg-type]
    yield
    for number, did in before.items():
        signal.signal(number, did)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """A real Postgres with a migrated template, and a real Valkey; thrown away at the end.

    Each process of a parallel run has its own: nothing is shared, so no name has to differ.
    """
    left_out = "not servers" in pytestconfig.getoption("markexpr")
    assert not left_out, "this test asks for a server only while it runs: mark it `servers`"
    with running_servers() as running:
        _ddl(running, f"CREATE DATABASE {_TEMPLATE}")
        upgrade(_url(running, _TEMPLATE))
        yield running


@pytest.fixture
def database(servers: Servers, tmp_path: Path) -> Iterator[str]:
    """A fresh database with the newest schema, and an empty Redis; the settings point at them."""
    name = "volley_test"
    _ddl(servers, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _ddl(servers, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    url = _url(servers, name)
    given = {
        "database_url": url,
        "redis_url": servers.redis_url,
        "secret_key": "a key for tests",
        "data_dir": tmp_path / "data",
        "twilio_api_url": "http://127.0.0.1:9",
        "twilio_account_sid": "AC" + "0" * 32,
        "twilio_auth_token": "a token for tests",
        "allow_private_urls": 1,
    }
    with environment(**given):
        from shared.throttle.redis_client import redis

        redis().flushdb()
        yield url


def _url(servers: Servers, name: str) -> str:
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)


def _ddl(servers: Servers, statement: str) -> None:
    engine = connect(servers.database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()
