"""What one `volley up` will run, what it tells others, and the database for commands beside it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from deploy.local import stack
from deploy.local.data_dirs.data_dir import places
from deploy.local.layout import Layout
from deploy.local.plan import Plan, embedded
from deploy.local.running import announce, current, withdraw
from deploy.local.servers import database as database_module
from deploy.local.servers.database import database
from deploy.local.servers.postgres import EmbeddedPostgres
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system import processes
from shared.errors import Refused
from shared.settings import Settings
from tests.support.embedded import temporary_data_dir

LAYOUT = Layout(http_port=8081, workers=1, carrier_port=4011, flower_port=None)
EXTERNAL = {"database_url": "postgresql://u:p@db/v", "redis_url": "redis://cache/0"}


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)  # where no .env file is
    with temporary_data_dir() as path:
        yield path


def planned(chosen: Settings) -> Plan:
    return Plan(chosen, places(chosen.data_dir), LAYOUT, embedded(chosen))


def test_without_addresses_both_servers_are_embedded(data_dir: Path) -> None:
    plan = planned(Settings(data_dir=data_dir))

    assert [type(server) for server in plan.servers] == [EmbeddedPostgres, EmbeddedValkey]
    assert plan.database_url.startswith("postgresql+psycopg://volley:")
    assert plan.redis_url.startswith("redis://:")


def test_external_addresses_replace_the_embedded_servers(data_dir: Path) -> None:
    plan = planned(Settings.model_validate({"data_dir": data_dir, **EXTERNAL}))

    assert plan.servers == []
    assert (plan.database_url, plan.redis_url) == tuple(EXTERNAL.values())


def test_an_external_database_without_a_secret_key_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Settings.model_validate({"data_dir": data_dir, **EXTERNAL})
    monkeypatch.setattr(stack, "settings", lambda: chosen)

    with pytest.raises(Refused, match="VOLLEY_SECRET_KEY"):
        stack.up()

    assert not data_dir.exists()


def test_a_simulated_stack_says_so(data_dir: Path) -> None:
    plan = planned(Settings(data_dir=data_dir))
    mute = replace(plan, layout=replace(LAYOUT, carrier_port=None))

    assert "SIMULATED" in plan.introduction()[-1]
    assert "nothing can be sent" in mute.introduction()[-1]


def test_a_real_account_is_not_called_simulated(data_dir: Path) -> None:
    chosen = Settings(data_dir=data_dir, twilio_account_sid="AC1")

    plan = planned(chosen)
    real = replace(plan, layout=replace(LAYOUT, carrier_port=None))  # as `up` lays it out
    lines = real.introduction()

    assert not [line for line in lines if "SIMULATED" in line]


def test_the_keys_the_programs_share_are_made_before_they_start(data_dir: Path) -> None:
    plan = planned(Settings(data_dir=data_dir))

    plan.environment()

    assert plan.stack().api_key_path.read_text().strip() == plan.settings.first_api_key()
    assert (data_dir / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_running_stack_is_found_until_it_withdraws(data_dir: Path) -> None:
    stack = planned(Settings(data_dir=data_dir)).stack()

    announce(stack)
    found = current(data_dir)
    withdraw(data_dir)

    assert found == stack
    assert stack.pid == os.getpid()
    assert current(data_dir) is None


def test_a_stack_that_was_killed_is_not_found(data_dir: Path) -> None:
    stack = planned(Settings(data_dir=data_dir)).stack()

    announce(replace(stack, born="another boot/1"))

    assert processes.born(stack.pid)
    assert current(data_dir) is None


@pytest.mark.stack
def test_a_command_gets_the_embedded_database_for_as_long_as_it_needs_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "settings", lambda: Settings(data_dir=data_dir))

    with database() as url:
        plain = url.replace("postgresql+psycopg", "postgresql")
        psycopg.connect(plain).close()

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(plain)


def test_a_command_uses_the_database_of_the_stack_that_runs(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "settings", lambda: Settings(data_dir=data_dir))
    stack = planned(Settings(data_dir=data_dir)).stack()
    announce(stack)

    with database() as url:
        assert url == stack.database_url
