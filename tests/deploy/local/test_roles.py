"""The stack's programs and the settings they are given."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.local.data_dirs.data_dir import Places, places
from deploy.local.layout import Layout
from deploy.local.roles import environment, programs
from deploy.local.servers.valkey import EmbeddedValkey
from deploy.local.system.child_process import Child
from shared.providers.twilio import accounts
from shared.queue.topology import SENDING, TENDING
from shared.settings import Settings, load
from tests.support.embedded import temporary_data_dir
from tests.support.environment import environment as process_environment

LAYOUT = Layout(http_port=8081, workers=2, carrier_port=4011, flower_port=5556)
WITHOUT = Layout(http_port=8081, workers=1, carrier_port=None, flower_port=None)


@pytest.fixture
def here() -> Iterator[Places]:
    with temporary_data_dir() as data_dir:
        yield places(data_dir)


@pytest.fixture
def settings(here: Places, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(here.run)  # where no .env file is
    return Settings(data_dir=here.data_dir)


def test_every_sending_and_tending_queue_has_a_worker(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])

    children = [child for child in programs(here, LAYOUT, env=env) if child.role == "worker"]

    queues = [child.argv[-1].split(",") for child in children]
    assert queues == [list(SENDING), list(SENDING), list(TENDING)]
    assert set(chain(*queues)) == {*SENDING, *TENDING}


def test_several_schedulers_are_told_apart_by_name(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])

    children = programs(here, replace(LAYOUT, schedulers=3), env=env)

    schedulers = [child for child in children if child.role == "scheduler"]
    assert [child.name for child in schedulers] == ["scheduler", "scheduler-2", "scheduler-3"]
    assert [child.argv[-1] for child in schedulers] == [f"--name=scheduler-{n}" for n in (1, 2, 3)]


def test_who_consumes_a_queue_has_a_name_that_the_next_start_gives_again(
    here: Places, settings: Settings
) -> None:
    env = environment(settings, here, LAYOUT, servers=[])
    layout = replace(LAYOUT, schedulers=2)

    names = [named(child) for child in programs(here, layout, env=env)]

    given = [name for name in names if name]
    assert given == ["scheduler-1", "scheduler-2", "worker-1", "worker-2", "receipts-1"]
    assert names == [named(child) for child in programs(here, layout, env=env)]


def named(child: Child) -> str | None:
    words = [word for word in child.argv if word.startswith("--name=")]
    return words[0].removeprefix("--name=") if words else None


def test_the_simulator_and_its_users_agree_on_the_account(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])

    carrier = programs(here, LAYOUT, env=env)[0]

    assert env["VOLLEY_TWILIO_API_URL"] == "http://127.0.0.1:4011"
    assert f"--account-sid={env['VOLLEY_TWILIO_ACCOUNT_SID']}" in carrier.argv
    assert carrier.env["VOLLEY_CARRIER_AUTH_TOKEN"] == env["VOLLEY_TWILIO_AUTH_TOKEN"]


def test_half_of_a_real_accounts_settings_mixes_with_nothing_of_the_simulators(
    here: Places, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("our token")
    half = {
        "twilio_auth_token_file": tmp_path / "token",
        "twilio_api_key": "SK" + "1" * 32,
        "twilio_api_secret": "our secret",
    }
    told = environment(settings, here, LAYOUT, servers=[])

    names = [name for name in told if name.startswith("VOLLEY_")]
    given = {name.removeprefix("VOLLEY_").lower(): told[name] for name in names}

    with process_environment(**half | given):
        chosen = load()
        credentials = accounts.platform(chosen)

    assert chosen.simulated
    assert credentials.api_url == "http://127.0.0.1:4011"
    assert credentials.callback_keys == (told["VOLLEY_TWILIO_AUTH_TOKEN"],)
    assert (credentials.api_key, credentials.api_secret) == (
        credentials.account,
        told["VOLLEY_TWILIO_AUTH_TOKEN"],
    )


@pytest.mark.parametrize(
    "url",
    [None, "https://api.twilio.com", "https://api.dublin.ie1.twilio.com", "https://twilio.com"],
)
def test_nobody_can_call_a_real_account_simulated(url: str | None) -> None:
    with pytest.raises(ValidationError, match="address of a simulator"):
        Settings(simulated=True, twilio_api_url=url, twilio_account_sid="AC1")


def test_no_command_line_shows_a_secret(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])

    words = " ".join(word for child in programs(here, LAYOUT, env=env) for word in child.argv)

    secrets = [path.read_text().strip() for path in here.data_dir.iterdir() if path.is_file()]
    secrets.remove(env["VOLLEY_TWILIO_ACCOUNT_SID"])  # a name, and no secret
    assert env["VOLLEY_TWILIO_AUTH_TOKEN"] in secrets
    assert not [secret for secret in secrets if secret in words]


def test_the_simulators_account_is_the_same_at_the_next_start(
    here: Places, settings: Settings
) -> None:
    first = environment(settings, here, LAYOUT, servers=[])

    assert environment(settings, here, LAYOUT, servers=[]) == first


def test_without_a_carrier_nobody_is_told_of_one(here: Places, settings: Settings) -> None:
    env = environment(settings, here, WITHOUT, servers=[])

    words = ("VOLLEY_CARRIER", "VOLLEY_TWILIO", "VOLLEY_SIMULATED")
    assert not [name for name in env if name.startswith(words)]
    assert [child.role for child in programs(here, WITHOUT, env=env)] == [
        "api",
        "scheduler",
        "worker",
        "worker",
    ]


def test_callbacks_come_to_the_port_really_used(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])

    assert env["VOLLEY_PUBLIC_URL"] == "http://127.0.0.1:8081"
    assert env["VOLLEY_HTTP_PORT"] == "8081"


def test_a_public_url_that_was_set_is_kept(here: Places) -> None:
    settings = Settings(public_url="https://sms.example.org")

    env = environment(settings, here, LAYOUT, servers=[])

    assert env["VOLLEY_PUBLIC_URL"] == "https://sms.example.org"


def test_an_embedded_server_is_told_of_and_an_external_one_is_left_alone(
    here: Places, settings: Settings
) -> None:
    server = EmbeddedValkey(here.data_dir)

    env = environment(settings, here, LAYOUT, servers=[server])

    assert env["VOLLEY_REDIS_URL"] == server.url
    assert "VOLLEY_DATABASE_URL" not in env


def test_secrets_are_in_files_of_ours_alone(here: Places, settings: Settings) -> None:
    env = environment(settings, here, LAYOUT, servers=[])
    programs(here, LAYOUT, env=env)

    files = [path for path in here.data_dir.iterdir() if path.is_file()]

    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    here = Places(data_dir=tmp_path, servers=tmp_path, user=None)

    first = here.secret("word")

    assert len(first) > 20
    assert here.secret("word") == first
    assert [path.name for path in tmp_path.iterdir()] == ["word"]
