"""Secrets in files: named in the environment or in the .env file, and who wins."""

from pathlib import Path

import pytest

from shared.settings import UnusableSettings, load
from tests.support.environment import environment


def test_a_file_can_be_named_in_the_environment_and_in_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key of the environment\n")
    (tmp_path / "token").write_text("a token of the file\n")
    (tmp_path / "env").write_text(f"VOLLEY_TWILIO_AUTH_TOKEN_FILE={tmp_path}/token\n")

    given = {"secret_key_file": tmp_path / "key", "env_file": tmp_path / "env"}
    with environment(twilio_account_sid="AC" + "1" * 32, **given):
        found = load()

    assert found.secret() == "a key of the environment"
    assert found.auth_tokens == ("a token of the file",)


def test_the_environment_wins_over_a_file_and_a_file_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key of its own file")
    (tmp_path / "env").write_text("VOLLEY_SECRET_KEY=a key of the env file\nVOLLEY_FENCE=2\n")

    with environment(env_file=tmp_path / "env", fence=4):
        assert (load().secret(), load().fence) == ("a key of the env file", 4)
    with environment(env_file=tmp_path / "env", secret_key_file=tmp_path / "key"):
        assert (load().secret(), load().fence) == ("a key of its own file", 2)
    with environment(secret_key="a key of the environment", secret_key_file=tmp_path / "key"):
        assert load().secret() == "a key of the environment"


def test_every_fault_is_found_and_the_line_says_how_many(tmp_path: Path) -> None:
    with environment(fence=-1, on_unknown="guess", log_level="loud"):
        with pytest.raises(UnusableSettings) as unusable:
            load()

    assert [fault.setting for fault in unusable.value.faults] == [
        "VOLLEY_FENCE",
        "VOLLEY_ON_UNKNOWN",
        "VOLLEY_LOG_LEVEL",
    ]
    assert "2 more: volley doctor shows all" in str(unusable.value)
