"""No command lets what a stranger wrote reach the terminal as more than letters."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deploy.cli import run
from scheduler.campaigns import status
from shared.db.audit import note
from shared.db.session import transaction
from shared.legible import legible
from tests.support import factories

Volley = Callable[..., str]

#: A window's title, a colour by C1, a line that is written over, text turned round, what is hidden.
_ESCAPES = "\x1b]0;pwned\x07\x9b31m\r\u202e\u2066\x7f\x08\u200b\u2028"
_FILE = f"evil{_ESCAPES}"


@pytest.fixture
def volley(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Volley]:
    """Runs a command and looks at everything it prints."""
    monkeypatch.setattr("deploy.attach.log_errors_only", lambda: None)

    def call(*words: str) -> str:
        run(words)
        printed = "".join(capsys.readouterr())
        assert printed, words
        assert legible(printed) == printed, words
        return printed

    with capture_logs():
        yield call


@pytest.fixture
def evil(tmp_path: Path) -> str:
    """A file whose name, header, values and reasons are full of escapes."""
    file = tmp_path / f"{_FILE}.csv"
    quoted = _ESCAPES.replace("\r", "")
    rows = [
        "Ana\u202e\u2066\u200b,+12025550101,x,z",  # a row with controls is rejected
        f"B{quoted},12{quoted},x,z",
        f"{{x{quoted}}},+12025550102,,",
    ]
    # A file with more escapes than text is none.
    rows += [f"An ordinary guest of the house,+120255502{n:02d},y,z" for n in range(60)]
    file.write_bytes("\n".join([f"first,phone,mobile{quoted} no,name{quoted}", *rows, ""]).encode())
    return str(file)


def test_a_file_full_of_escapes_is_checked_legibly(volley: Volley, evil: str) -> None:
    told = volley("check", evil, "--phone-column", "phone", "--message", "Hi {first}")

    assert "name\ufffd" in told
    assert "Ana\ufffd" in told
    volley("check", evil, "--phone-column", "phone", "--json")
    volley("check", evil)
    volley("check", evil, "--phone-column", f"no{_ESCAPES}")
    volley("check", evil, "--phone-column", "phone", "--message", f"{{nme{_ESCAPES}}}")
    volley("check", f"{evil}{_ESCAPES}")
    volley("check", evil, "--phone-column", "phone", "--region", f"U{_ESCAPES}")


def test_a_message_with_braces_around_an_evil_name_is_told_legibly(
    volley: Volley, evil: str
) -> None:
    name = "name" + _ESCAPES.replace("\r", "")

    volley("check", evil, "--phone-column", "phone", "--message", f"Hi {{{{{name}}}}}")


def test_a_campaign_full_of_escapes_is_told_legibly_in_every_command(
    volley: Volley, evil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"big{_ESCAPES}sale"
    volley("agent", "add", "sales", "--sender", "+15005550006", "--name", name)
    words = ["--agent", "sales", "--phone-column", "phone", "--message", "Hi {first}"]
    assert "Campaign 1" in volley("campaign", "create", evil, *words, "--name", name)
    assert "uploaded before" in volley("campaign", "create", evil, *words, "--name", name)
    volley("campaign", "create", evil, *words)
    volley("campaign", "create", evil, "--agent", f"a{_ESCAPES}", "--message", "Hi")
    report = status.campaign(1).report
    assert report is not None
    assert report.rejected == 2
    factories.change("UPDATE campaign SET reason = :reason", reason=f"held{_ESCAPES}")
    with transaction() as connection:
        details = {"name": name, "file": _FILE}
        note(connection, actor=f"cli:{name}", action="x", subject="campaign:1", details=details)

    for leaf in ("show", "launch", "pause", "resume", "timeline", "retry-failed"):
        volley("campaign", leaf, "1")
    volley("campaign", "list")
    volley("campaign", "show", "1", "--json")
    volley("campaign", "list", "--status", f"x{_ESCAPES}")
    volley("campaign", "resolve-unknown", "1", "--as", f"x{_ESCAPES}", "--reason", "y")
    assert "Ana\ufffd" in volley(
        "message", str(factories.one("SELECT min(id) AS id FROM message").id)
    )
    factories.change("UPDATE message SET error_message = :said", said=f"no{_ESCAPES}")
    volley("message", str(factories.one("SELECT min(id) AS id FROM message").id))
    volley("campaign", "cancel", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert "\ufffd" in volley("campaign", "export", "1")
    assert "\ufffd" in volley("campaign", "export", "1", "--rejects")


def test_everything_else_a_stranger_may_have_named_is_told_legibly(
    volley: Volley, evil: str
) -> None:
    volley("agent", "add", f"a{_ESCAPES}", "--sender", "+15005550006")
    volley("agent", "add", "sales", "--sender", "+15005550006", "--name", f"n{_ESCAPES}")
    volley("agent", "set", "sales", "--name", f"m{_ESCAPES}")
    volley("agent", "set", "sales", "--rate", "2", "--timezone", f"Europe/{_ESCAPES}")
    volley("agent", "list")
    volley("agent", "list", "--json")
    volley("suppress", "add", "+12025550103", "--reason", f"said{_ESCAPES}")
    volley("suppress", "add", f"+1202{_ESCAPES}")
    volley("suppress", "import", evil, "--phone-column", "phone")
    volley("suppress", "import", evil)
    volley("suppress", "list")
    volley("key", "create", f"k{_ESCAPES}")
    volley("key", "list")
    volley("sending", "stop")
    factories.change("UPDATE control SET stopped_by = :who", who=f"w{_ESCAPES}")
    volley("sending", "show")
    volley("sending", "start")
    volley(f"camp{_ESCAPES}")
    volley("message", f"4{_ESCAPES}")
