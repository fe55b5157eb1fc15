"""Names that are no setting: which one was meant, and which are somebody else's."""

from pathlib import Path

import pytest

from shared.given import names
from shared.settings import Settings, strange_names
from tests.support.environment import environment

KNOWN = {f"VOLLEY_{name.upper()}" for name in Settings.model_fields}


def test_every_setting_with_one_slip_is_known_for_what_was_meant() -> None:
    for right in KNOWN:
        bare = right.removeprefix(names.PREFIX)
        for slip in (bare[1:], bare[:-1], bare[1] + bare[0] + bare[2:], f"{bare}X"):
            if f"VOLLEY_{slip}" not in KNOWN:
                assert names.nearest(f"VOLLEY_{slip}", KNOWN) is not None, slip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VOLLEY_DATABSE_URL", "VOLLEY_DATABASE_URL"),
        ("volley_databse_url", "VOLLEY_DATABASE_URL"),
        ("VOLLEY_PG_URL", "VOLLEY_DATABASE_URL"),
        ("VOLLEY_VALKEY_URL", "VOLLEY_REDIS_URL"),
        ("VOLLEY_RABBITMQ_URL", "VOLLEY_BROKER_URL"),
        ("VOLLEY_ACCOUNT_SID", "VOLLEY_TWILIO_ACCOUNT_SID"),
        ("VOLLEY_ZEBRA", None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(name: str, meant: str | None) -> None:
    assert names.unknown({name: "x"}, KNOWN) == {name: meant}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", "/root"),
        ("VOLLEY_SERVICE_HOST", "10.0.0.7"),
        ("VOLLEY_SERVICE_PORT_HTTP", "8080"),
        ("VOLLEY_API_SERVICE_PORT", "8080"),
        ("VOLLEY_PORT", "tcp://10.0.0.7:8080"),
        ("VOLLEY_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("VOLLEY_PORT_8080_TCP_PROTO", "tcp"),
        ("VOLLEY_DATABSE_URL", ""),
        ("VOLLEY_DATABASE_URL", "x"),
    ],
)
def test_names_of_others_names_without_a_value_and_right_ones_are_no_matter(
    name: str, value: str
) -> None:
    assert names.unknown({name: value}, KNOWN) == {}


def test_what_the_supervisor_tells_its_programs_is_no_strange_name() -> None:
    with environment(stack_child="x", simulated="0", carrier_auth_token="x", secret_key_file="/k"):
        assert strange_names() == {}


def test_a_file_is_read_and_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# told\nexport VOLLEY_FENCE=3\nVOLLEY_API_KEY='a b'\nVOLLEY_REDIS_URL=\n")

    assert names.read_file(file) == {"VOLLEY_FENCE": "3", "VOLLEY_API_KEY": "a b"}
    assert names.read_file(tmp_path / "none") == {}
