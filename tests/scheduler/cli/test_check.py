"""`volley check`: for people and, with --json, for programs."""

import json

import pytest
import typer
from typer.testing import CliRunner

from scheduler.cli.check import check

UGLY = """Mobile;First Name
'+15551230000;José
1.5551E+10;Bo
15551230000;Twice
+15551230001;[red]Cy[/red]
+15551230002;
"""


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(check)

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def ugly(tmp_path):
    file = tmp_path / "guests.csv"
    file.write_bytes(UGLY.encode("cp1252"))
    return file


def test_a_good_file_exits_0(run, tmp_path):
    file = tmp_path / "good.csv"
    file.write_text("phone\n+15551230000\n")

    result = run(file)

    assert result.exit_code == 0
    assert "1 row: 1 accepted, 0 rejected." in result.stdout
    assert "can be uploaded" in result.stdout


def test_a_file_with_rejects_exits_1_and_says_what_to_mend(run, ugly):
    result = run(ugly, "--message", "Hi {first_name} – bye")

    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "windows-1252 text, divided by “;”" in text
    assert "Phone numbers are in “Mobile”" in text
    assert "5 rows: 2 accepted, 3 rejected." in text
    assert "– (en dash) in 2 texts" in text
    assert "row 3 '1.5551E+10': The spreadsheet kept 5 of its 11 digits." in text
    assert "row 4 '15551230000': +15551230000 is in row 2 already." in text
    assert "Hi José – bye" in text


def test_json_is_one_document_and_nothing_else(run, ugly):
    result = run(ugly, "--message", "Hi {first_name}", "--json", "--rate", 4)

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["rows"], report["accepted"], report["eta_seconds"]) == (5, 2, 0.5)
    assert [reject["code"] for reject in report["rejects"]] == [
        "ambiguous_phone", "duplicate", "missing_value",
    ]  # fmt: skip


def test_the_reject_file_is_written_and_comes_back(run, ugly, tmp_path):
    out = tmp_path / "mend.csv"
    run(ugly, "--message", "Hi {first_name}", "--rejects", out)

    out.write_text(out.read_text("utf-8-sig").replace("1.5551E+10", "+15551230003"))
    again = run(out, "--message", "Hi {first_name}", "--json")

    assert [reject["row"] for reject in json.loads(again.stdout)["rejects"]] == [4]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["missing.csv"], "there is no file"),
        (["."], "is a directory"),
        (["guests.csv", "--region", "XX"], "no country"),
        (["guests.csv", "--phone-column", "fax"], "The columns are Mobile, First Name"),
        (["guests.csv", "--message", "Hi {nobody}"], "The columns are Mobile, First Name"),
        (["guests.csv", "--rate", "0"], "more than 0"),
        (["guests.csv", "--rejects", "guests.csv"], "Name another one"),
        (["guests.csv", "--rejects", "no/such/place.csv"], "cannot write"),
    ],
)
def test_bad_usage_exits_2_with_one_line(run, ugly, arguments, hint):
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert hint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_doubled_braces_are_pointed_out(run, ugly):
    result = run(ugly, "--message", "Hi {{first_name}}")

    assert "{{first_name}} sends “{first_name}” as it is written" in " ".join(result.stdout.split())


def test_a_refused_file_leaves_no_reject_file_behind(run, ugly, tmp_path):
    run(ugly, "--phone-column", "fax", "--rejects", tmp_path / "mend.csv")

    assert not (tmp_path / "mend.csv").exists()
