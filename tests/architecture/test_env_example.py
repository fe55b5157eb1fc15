"""deploy/env.example is the settings, all of them and nothing else."""

import re

import pytest
from pydantic.fields import FieldInfo

from shared.settings import Settings
from tests.support import sources

TEXT = (sources.ROOT / "deploy/env.example").read_text()
LINES = dict(re.findall(r"^VOLLEY_(\w+)=(.*)$", TEXT, re.MULTILINE))
FIELDS = Settings.model_fields


def written(field: FieldInfo) -> str:
    """A default, as it is written in an environment file."""
    default = field.default
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(int(default))
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default)


def test_every_setting_is_there_and_no_other() -> None:
    assert set(LINES) == {name.upper() for name in FIELDS}


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_has_its_default(name: str) -> None:
    assert LINES[name.upper()] == written(FIELDS[name])


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_says_what_it_is_for(name: str) -> None:
    assert re.search(rf"^# \S.*\nVOLLEY_{name.upper()}=", TEXT, re.MULTILINE)


def test_the_file_as_it_stands_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLLEY_ENV_FILE", "")
    for name in FIELDS:
        monkeypatch.delenv(f"VOLLEY_{name.upper()}", raising=False)
    plain = Settings(_env_file=None)

    for name, value in LINES.items():
        monkeypatch.setenv(f"VOLLEY_{name}", value)

    assert Settings(_env_file=None) == plain


def test_no_secret_is_given_away() -> None:
    secrets = [name for name, field in FIELDS.items() if "SecretStr" in str(field.annotation)]

    assert len(secrets) >= 5
    assert {LINES[name.upper()] for name in secrets} == {""}


def test_how_to_hand_over_a_secret_in_a_file_is_told() -> None:
    assert "VOLLEY_<NAME>_FILE" in TEXT
