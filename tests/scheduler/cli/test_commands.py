"""The command line: one line per error, one JSON document when asked, the same rules as the API."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from deploy.cli import COMMANDS, run
from scheduler.access.keys import keep_first_key
from shared.db.session import transaction
from shared.settings import settings
from tests.support.environment import environment

Call = Callable[..., Any]

_LEAVES = {
    "campaign": [
        "create",
        "list",
        "show",
        "launch",
        "pause",
        "resume",
        "cancel",
        "retry-failed",
        "resolve-unknown",
        "export",
        "timeline",
    ],
    "agent": ["add", "set", "list"],
    "suppress": ["add", "remove", "import", "list"],
    "key": ["create", "list", "revoke"],
    "sending": ["stop", "start", "show"],
}
_COMMANDS = [[name, leaf] for name in COMMANDS for leaf in _LEAVES.get(name, [""])]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's logging stays pytest's; what a command logs is kept apart."""
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)
    with capture_logs():
        yield


@pytest.fixture
def volley(database: str, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command that must succeed; its JSON document."""

    def call(*words: str) -> Any:
        code = run([*words, "--json"])
        captured = capsys.readouterr()
        assert (code, captured.err) == (0, "")
        return json.loads(captured.out)

    return call


@pytest.fixture
def guests(tmp_path: Path) -> Iterator[str]:
    """A campaign file with two good rows and a bad one."""
    file = tmp_path / "guests.csv"
    file.write_text("phone,name\n+12025550101,Ana\n+12025550102,Bo\n12,Cy\n")
    yield str(file)


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run([*filter(None, words), "--help"])

    assert code == 0
    assert f"Example: volley {' '.join(filter(None, words))}" in " ".join(
        capsys.readouterr().out.split()
    )


def test_help_answers_at_once_because_nothing_else_is_imported() -> None:
    code = """
import sys
from deploy.cli import run
run(["--help"])
heavy = {"sqlalchemy", "fastapi", "celery", "pydantic", "phonenumbers"} & set(sys.modules)
sys.exit(str(heavy) if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["campain"],
        ["campaign", "lis"],
        ["campaign", "show"],
        ["campaign", "show", "x"],
        ["campaign", "create", "no-such-file.csv", "--agent", "a", "--message", "x"],
        ["key", "create"],
        ["up", "--port", "x"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_line_and_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(words)

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert "--help" in captured.err


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with environment(data_dir=tmp_path / "nothing"):
        code = run(["campaign", "list"])

    assert code == 1
    assert capsys.readouterr().err == (
        "volley: no stack is running here: start it with 'volley up', or set VOLLEY_DATABASE_URL\n"
    )


def test_a_database_that_does_not_answer_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with environment(data_dir=tmp_path, database_url="postgresql://postgres@127.0.0.1:1/none"):
        code = run(["agent", "list"])

    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.count("\n") == 1
    assert "doctor" in captured.err


def test_a_campaign_is_made_launched_and_stopped_from_the_command_line(
    volley: Call, guests: str
) -> None:
    volley("agent", "add", "sales", "--sender", "+15005550006", "--rate", "5")

    made = volley("campaign", "create", guests, "--agent", "sales", "--message", "Hi {name}")
    again = volley("campaign", "create", guests, "--agent", "sales", "--message", "Hi {name}")
    number = str(made["id"])
    states = [volley("campaign", word, number)["status"] for word in ("launch", "pause", "cancel")]

    assert (made["name"], made["status"], made["report"]["rejected"]) == ("guests", "ready", 1)
    assert again["id"] == made["id"]
    assert states == ["running", "paused", "cancelled"]
    assert [c["id"] for c in volley("campaign", "list")] == [made["id"]]
    assert [e["action"] for e in volley("campaign", "timeline", number)] == [
        "create",
        "import",
        "launch",
        "pause",
        "cancel",
    ]


def test_launch_and_watch_end_with_the_campaign(volley: Call, guests: str) -> None:
    volley("agent", "add", "sales", "--sender", "+15005550006")
    created = ("campaign", "create", guests, "--agent", "sales", "--message", "Hi {name}")
    number = volley(*created)["id"]
    with transaction() as connection:
        connection.execute(text("UPDATE message SET status = 'delivered', due_at = NULL"))
        connection.execute(text("UPDATE campaign SET status = 'finished'"))

    from scheduler.cli.campaign.watch import watch

    begun = time.monotonic()
    (watched,) = watch([number], quiet=True)

    assert (watched.status, watched.counts) == ("finished", {"delivered": 2})
    assert time.monotonic() - begun < 5


def test_watching_waits_for_receipts_but_not_for_ever(volley: Call, guests: str) -> None:
    volley("agent", "add", "sales", "--sender", "+15005550006")
    created = ("campaign", "create", guests, "--agent", "sales", "--message", "Hi {name}")
    number = volley(*created)["id"]
    with transaction() as connection:
        connection.execute(text("UPDATE message SET status = 'sent', due_at = NULL"))
        connection.execute(text("UPDATE campaign SET status = 'finished'"))

    from scheduler.cli.campaign.watch import watch

    (watched,) = watch([number], quiet=True, settle=0.2)

    assert watched.counts == {"sent": 2}


def test_what_is_refused_is_said_in_one_line_with_exit_1(
    volley: Call, guests: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["campaign", "create", guests, "--agent", "nobody", "--message", "Hi", "--json"]

    codes = [run(create), run(["campaign", "show", "99"]), run(["message", "7"])]

    captured = capsys.readouterr()
    assert codes == [1, 1, 1]
    assert captured.out == ""
    assert captured.err.count("\n") == 3
    assert "nobody" in captured.err


_ADD = "agent add sales --sender +15005550006"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        # what the API answers with 404, 409 and 422
        ("campaign show 99", "There is no campaign 99."),
        ("agent set nobody --rate 2", "There is no agent 'nobody'."),
        ("key revoke 1", "last admin key"),
        (_ADD, "There is an agent 'sales' already"),
        ("campaign launch {cancelled}", "is cancelled and cannot be launched"),
        ("campaign resolve-unknown {cancelled} --as resend --reason x", "nothing of it is sent"),
        ("agent add two --sender +15005550007 --sender +15005550007", "listed twice"),
        ("suppress remove +12025550123", "not on the suppression list"),
    ],
)
def test_each_kind_of_refusal_is_one_line_and_exit_1(
    volley: Call, guests: str, capsys: pytest.CaptureFixture[str], words: str, says: str
) -> None:
    volley(*_ADD.split())
    keep_first_key()
    create = ["campaign", "create", guests, "--agent", "sales", "--message", "Hi"]
    cancelled = volley(*create)["id"]
    volley("campaign", "cancel", str(cancelled))

    for more in ([], ["--json"]):
        code = run([*words.format(cancelled=cancelled).split(), *more])

        captured = capsys.readouterr()
        assert (code, captured.out) == (1, ""), captured
        assert (captured.err.count("\n"), captured.err[:8]) == (1, "volley: ")
        assert says in captured.err


@pytest.mark.usefixtures("database")
def test_a_wrong_setting_is_one_line_that_names_it_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("twilio_account_sid", "twilio_auth_token", "twilio_api_url"):
        monkeypatch.setattr(settings(), name, None)

    code = run([*_ADD.split(), "--json"])

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert captured.err.startswith("volley: No provider account: set VOLLEY_TWILIO_ACCOUNT_SID")
    assert captured.err.count("\n") == 1


def test_stdout_holds_the_json_document_and_nothing_else(volley: Call, guests: str) -> None:
    volley("agent", "add", "sales", "--sender", "+15005550006")
    create = ["campaign", "create", guests, "--agent", "sales", "--message", "Hi", "--json"]

    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *create], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout)["status"] == "ready"
    assert done.stderr == ""


@pytest.mark.usefixtures("database")
def test_an_option_that_cannot_be_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["agent", "add", "sales", "--sender", "+15005550006", "--rate", "9"])

    captured = capsys.readouterr()
    assert code == 2
    assert "--rate: 1 to 5 " in captured.err
    assert captured.err.count("\n") == 1


def test_an_export_goes_to_stdout_or_to_a_file(
    volley: Call, guests: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volley("agent", "add", "sales", "--sender", "+15005550006")
    created = ("campaign", "create", guests, "--agent", "sales", "--message", "Hi {name}")
    number = str(volley(*created)["id"])
    mend = tmp_path / "mend.csv"

    assert run(["campaign", "export", number]) == 0
    printed = capsys.readouterr().out
    assert run(["campaign", "export", number, "--rejects", "--out", str(mend)]) == 0

    assert len(printed.splitlines()) == 3
    assert printed.startswith("\ufeffid,row,to")
    assert mend.read_bytes().startswith(b"\xef\xbb\xbfphone,name,volley_row")


def test_an_agent_is_changed_and_its_secret_is_not_in_the_process_list(
    volley: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    volley("agent", "add", "sales", "--sender", "+15005550006")
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret\n"))

    changed = volley(
        "agent",
        "set",
        "sales",
        "--rate",
        "3",
        "--account-sid",
        "AC" + "1" * 32,
        "--auth-token",
        "-",
    )

    assert changed["sessions_per_second"] == 3
    assert changed["sender_mode"] == "own_account"
    assert "s3cret" not in json.dumps(changed)


def test_suppressions_are_kept_from_the_command_line(volley: Call, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("phone\n+12025550101\n")

    volley("suppress", "add", "+12025550102", "--reason", "by phone")
    imported = volley("suppress", "import", str(file))
    volley("suppress", "remove", "+12025550102")

    assert imported == {
        "added": 1,
        "already": 0,
        "rejected": [],
        "read_as": "every number in “phone”",
        "left_out": [],
        "hidden_rows": 0,
        "warnings": [],
    }
    assert [s["number"] for s in volley("suppress", "list")] == ["+12025550101"]


@pytest.mark.usefixtures("database")
def test_an_import_of_suppressions_tells_who_was_left_out_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["agent", "add", "sales", "--sender", "+15005550006"])
    file = tmp_path / "stop.csv"
    file.write_text(
        "Home,Mobile,Opted out\n"
        "2025550100,+12025550101,yes\n"
        "2025550100,+12025550102,no\n"
        "2025550100,+12025550103,maybe\n"
        "2025550100,+15005550006,yes\n"
    )
    capsys.readouterr()

    asked = run(["suppress", "import", str(file)])
    question = capsys.readouterr().err
    code = run(["suppress", "import", str(file), "--phone-column", "Mobile", "--delimiter", ","])
    told = capsys.readouterr()
    again = run(["suppress", "import", str(file), "--phone-column", "Mobile", "--yes"])
    meant = capsys.readouterr().out

    assert asked == 1
    assert "“Home” and “Mobile”" in question and "--phone-column" in question
    assert (code, again) == (1, 1)  # row 4 still says maybe
    assert "1 number suppressed, 0 were before." in told.out
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert "left out “Opted out”: may still be texted. 1 3" in lines
    assert "not read It is a number that agent sales sends from. 1 5" in lines
    assert "row 4: +12025550103: Nobody can tell" in told.err
    assert "1 number suppressed, 1 were before." in meant


@pytest.mark.usefixtures("database")
def test_an_import_of_suppressions_that_read_every_row_ends_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("phone,opted_out\n+12025550101,yes\n+12025550102,no\n")

    assert run(["suppress", "import", str(file)]) == 0
    assert "Every row" not in capsys.readouterr().out


def test_a_key_made_here_opens_the_api(volley: Call) -> None:
    from scheduler.access import keys

    made = volley("key", "create", "booking", "--role", "admin")
    caller = keys.caller_of(made["key"])
    other = volley("key", "create", "other", "--role", "admin")
    volley("key", "revoke", str(other["id"]))

    assert caller is not None
    assert caller.name == "booking"
    assert keys.caller_of(other["key"]) is None
    assert [k["name"] for k in volley("key", "list")] == ["booking", "other"]


def test_the_big_switch_is_a_command(volley: Call) -> None:
    stopped = volley("sending", "stop")
    shown = volley("sending", "show")
    started = volley("sending", "start")

    assert (stopped["stopped"], shown["stopped"], started["stopped"]) == (True, True, False)
