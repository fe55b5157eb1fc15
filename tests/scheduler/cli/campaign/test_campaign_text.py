"""What the command line tells people: the next step, why nothing happens, what they mistyped."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from deploy.cli import run
from scheduler.campaigns import status
from scheduler.cli.campaign import watch
from shared import clock
from shared.db.session import transaction
from shared.ledger.holds import NewHold, hold
from shared.views.campaigns import Progress

Volley = Callable[..., tuple[int, str, str]]

_OPENER = "Hi {name}, this is Ana"


@pytest.fixture
def volley(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Volley]:
    """Runs a command as a person would: (exit code, stdout, stderr)."""
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)

    def call(*words: str) -> tuple[int, str, str]:
        code = run(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    with capture_logs():
        call("agent", "add", "sales", "--sender", "+15005550006", "--opener-template", _OPENER)
        yield call


@pytest.fixture
def create(volley: Volley, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Uploads one row; words are further options."""
    file = tmp_path / "guests.csv"
    file.write_text("phone,name\n+12025550101,Ana\n")
    return lambda *words: volley("campaign", "create", str(file), "--agent", "sales", *words)


def test_a_message_beside_a_prompt_is_refused_and_not_dropped(create: Volley) -> None:
    code, out, err = create("--message", "Hello", "--prompt", "Invite them")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--message or --prompt, not both" in err


def test_with_a_prompt_it_says_which_text_will_be_sent_and_what_comes_next(create: Volley) -> None:
    code, out, _ = create("--prompt", "Invite them")

    assert code == 0
    assert f"The opener is the agent's template: {_OPENER}" in out
    assert "volley campaign launch 1 --watch" in out


def test_a_scheduled_campaign_says_when_it_starts(create: Volley, volley: Volley) -> None:
    create("--message", "Hi", "--scheduled-at", "2999-01-01T09:00Z")
    volley("campaign", "launch", "1")

    _, out, _ = volley("campaign", "show", "1")

    assert "is scheduled" in out
    assert "starts at 2999-01-01T09:00:00Z" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["campaign", "list", "--status", "zzz"], "draft, ready, scheduled, running"),
        (["agent", "add", "b", "--sender", "+15005550006", "--rate", "9"], "--rate: 1 to 5 "),
        (["agent", "add", "b", "--messaging-service", "MG1"], "--messaging-service: A messaging"),
        (["agent", "set", "sales", "--status", "zzz"], "--status: Choose 'active' or 'paused'"),
        (["agent", "set", "sales", "--rate", "3", "--effective-at", "x"], "--effective-at: Write"),
    ],
)
def test_a_mistyped_option_is_named_and_mended_in_one_line(
    volley: Volley, words: list[str], said: str
) -> None:
    code, out, err = volley(*words)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_what_has_passed_cannot_be_a_campaigns_end(create: Volley) -> None:
    code, _, err = create("--message", "Hi", "--send-before", "2001-01-01T09:00Z")

    assert code == 1
    assert "'send_before' has passed" in err


def test_a_filter_that_matches_nothing_says_so(volley: Volley) -> None:
    _, out, _ = volley("campaign", "list", "--status", "paused")

    assert out.startswith("No campaign is paused")


def test_a_decision_without_a_reason_is_refused(create: Volley, volley: Volley) -> None:
    create("--message", "Hi")

    code, _, err = volley("campaign", "resolve-unknown", "1", "--as", "failed", "--reason", " ")

    assert code == 1
    assert "Say why" in err


def test_a_retry_of_nothing_says_why(create: Volley, volley: Volley) -> None:
    create("--message", "Hi")
    volley("campaign", "launch", "1")
    _, healthy, _ = volley("campaign", "retry-failed", "1")
    with transaction() as connection:
        connection.execute(
            text("UPDATE message SET status = 'failed', error_code = 21211, due_at = NULL")
        )

    _, hopeless, _ = volley("campaign", "retry-failed", "1")

    assert "no message of it has failed" in healthy
    assert "the 1 failure would fail the same way" in hopeless


def test_an_agents_holds_name_the_country_and_the_end(volley: Volley) -> None:
    with transaction() as connection:
        hold(connection, NewHold(1, "country", "+447700900123", 21408, 3600, "Enable it."))

    _, out, _ = volley("agent", "list")

    assert "country +44, error 21408 until 20" in out


def test_a_reason_is_shown_with_one_full_stop(create: Volley, volley: Volley) -> None:
    create("--message", "Hi")
    with transaction() as connection:
        connection.execute(text("UPDATE campaign SET status = 'paused', reason = 'Mend it.'"))

    _, out, _ = volley("campaign", "show", "1")

    assert "is paused: Mend it.\n" in out


def test_a_message_shows_the_words_that_were_sent(create: Volley, volley: Volley) -> None:
    create("--message", "Hi {name}")
    (only,) = status.messages(1)

    _, out, _ = volley("message", str(only.id))

    assert "1 part, 1 segment, GSM-7" in out
    assert "  | Hi Ana\n" in out


def test_watching_outlives_a_database_that_is_away_for_a_while(
    create: Volley, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create("--message", "Hi")
    with transaction() as connection:
        connection.execute(text("UPDATE message SET status = 'delivered', due_at = NULL"))
        connection.execute(text("UPDATE campaign SET status = 'finished'"))
    real, failures = status.progress, [1, 2]

    def shaky(ids: list[int]) -> list[Progress]:
        if failures:
            failures.pop()
            raise OperationalError("SELECT 1", {}, Exception("gone"))
        return real(ids)

    monkeypatch.setattr(status, "progress", shaky)
    monkeypatch.setattr(watch, "EVERY", 0.01)
    (watched,) = watch.watch([1], quiet=True)

    assert watched.status == "finished"
    assert capsys.readouterr().err.count("\n") == 1


def test_a_database_that_stays_away_ends_the_watch(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(ids: list[int]) -> list[Progress]:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(status, "progress", gone)
    monkeypatch.setattr(watch, "PATIENCE", 0.02)
    monkeypatch.setattr(watch, "EVERY", 0.01)

    with pytest.raises(OperationalError):
        watch.watch([1], quiet=True)


def test_a_json_document_is_not_disturbed_by_the_next_step(create: Volley) -> None:
    _, out, _ = create("--message", "Hi", "--json")

    assert json.loads(out)["status"] == "ready"


_START = "2999-01-01T09:00:00Z"


def test_a_start_that_has_passed_is_never_told_as_one_to_come(
    create: Volley, volley: Volley, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before, _ = create("--message", "Hi", "--scheduled-at", _START)
    monkeypatch.setattr(clock, "now", lambda: datetime(2999, 1, 1, 10, tzinfo=UTC))
    _, ready, _ = create("--message", "Hi", "--scheduled-at", _START)
    _, launched, _ = volley("campaign", "launch", "1")
    _, running, _ = volley("campaign", "show", "1")
    with transaction() as connection:
        connection.execute(text("UPDATE campaign SET status = 'scheduled', started_at = NULL"))
    _, waiting, _ = volley("campaign", "show", "1")

    assert f"once launched, starts at {_START}\n" in before
    assert f"its start, {_START}, has passed: once launched, starts at once\n" in ready
    assert "This file with these options was uploaded before" in ready
    assert "Campaign 1 is running.\n" in launched
    for told in (launched, running):
        assert f"  scheduled for {_START}, started at 20" in told
        assert f"starts at {_START}" not in told
    assert f"its start, {_START}, has passed: starts as soon as the stack runs\n" in waiting


def test_a_launch_that_waits_says_until_when(create: Volley) -> None:
    _, out, _ = create("--message", "Hi", "--scheduled-at", "2999-01-01T10:00+01:00", "--launch")

    assert out.endswith(f"Campaign 1 is scheduled.\n  starts at {_START}\n")


def test_a_start_that_has_passed_is_refused_in_one_line(create: Volley) -> None:
    code, out, err = create("--message", "Hi", "--scheduled-at", "2001-01-01T09:00Z", "--launch")

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "'scheduled_at' has passed" in err
