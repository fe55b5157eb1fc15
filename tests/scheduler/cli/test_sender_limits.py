"""A sender's limits from the command line."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from deploy.cli import run

NUMBER = "+15005550006"
Call = Callable[..., Any]


@pytest.fixture
def volley(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Call]:
    """Runs a command that must succeed; the senders of the agent it answers."""
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)

    def call(*words: str) -> Any:
        code = run([*words, "--json"])
        captured = capsys.readouterr()
        assert (code, captured.err) == (0, "")
        return json.loads(captured.out)["senders"]

    with capture_logs():
        yield call


def test_limits_hold_for_each_sender_that_is_named(volley: Call) -> None:
    more = ("--sender", NUMBER, "--sender", "12345")

    senders = volley("agent", "add", "sales", *more, "--segments-per-second", "1.5")

    assert [(s["number"], s["segments_per_second"]) for s in senders] == [
        (NUMBER, 1.5),
        ("12345", 1.5),
    ]


def test_limits_of_the_present_senders_are_changed_and_taken_away(volley: Call) -> None:
    volley("agent", "add", "sales", "--sender", NUMBER, "--segments-per-second", "3")

    both = volley("agent", "set", "sales", "--segments-per-day", "2000")
    one = volley("agent", "set", "sales", "--segments-per-second", "none")

    assert both == [
        {
            "number": NUMBER,
            "primary": True,
            "segments_per_second": 3,
            "segments_per_day": 2000,
            "segments_today": 0,
        }
    ]
    assert one == [
        {"number": NUMBER, "primary": True, "segments_per_day": 2000, "segments_today": 0}
    ]


def test_the_list_shows_what_each_number_may_carry(
    volley: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = ("--segments-per-second", "1", "--segments-per-day", "2000")
    volley("agent", "add", "sales", "--sender", NUMBER, *limits)

    assert run(["agent", "list"]) == 0

    assert f"{NUMBER} (1/s, 0 of 2,000 today)" in capsys.readouterr().out


@pytest.mark.usefixtures("volley")
@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--segments-per-second", "0", "--segments-per-second: 0.1 to 1,000 segments a second"),
        ("--segments-per-second", "-2", "--segments-per-second: 0.1 to 1,000 segments a second"),
        ("--segments-per-second", "nan", "--segments-per-second: 0.1 to 1,000 segments a second"),
        ("--segments-per-day", "0", "--segments-per-day: 1 to 100,000,000 segments a day"),
        ("--segments-per-day", "many", "--segments-per-day is a number of segments, or none"),
    ],
)
def test_a_limit_that_cannot_be_is_bad_usage(
    capsys: pytest.CaptureFixture[str], option: str, given: str, said: str
) -> None:
    code = run(["agent", "add", "sales", "--sender", NUMBER, option, given])

    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert captured.err.count("\n") == 1
