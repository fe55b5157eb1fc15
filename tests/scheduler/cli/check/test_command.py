"""`volley check`: for people and, with --json, for programs."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from scheduler.cli.check.command import check

UGLY = """Mobile;First Name
'+15551230000;José
1.5551E+10;Bo
15551230000;Twice
+15551230001;[red]Cy[/red]
+15551230002;
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(check)

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    file = tmp_path / "guests.csv"
    file.write_bytes(UGLY.encode("cp1252"))
    return file


def test_a_good_file_exits_0(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "good.csv"
    file.write_text("phone\n+15551230000\n")

    result = run(file)

    assert result.exit_code == 0
    assert "1 row: 1 accepted, 0 rejected." in result.stdout
    assert "can be uploaded" in result.stdout


def test_a_file_with_rejects_exits_1_and_says_what_to_mend(
    run: Callable[..., Any], ugly: Path
) -> None:
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


def test_json_is_one_document_and_nothing_else(run: Callable[..., Any], ugly: Path) -> None:
    result = run(ugly, "--message", "Hi {first_name}", "--json", "--rate", 4)

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["rows"], report["accepted"], report["eta_seconds"]) == (5, 2, 0.5)
    assert [reject["code"] for reject in report["rejects"]] == [
        "ambiguous_phone", "duplicate", "missing_value",
    ]  # fmt: skip


def test_the_reject_file_is_written_and_comes_back(
    run: Callable[..., Any], ugly: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mend.csv"
    run(ugly, "--message", "Hi {first_name}", "--rejects", out)

    out.write_text(out.read_text("utf-8-sig").replace("1.5551E+10", "+15551230003"))
    again = run(out, "--message", "Hi {first_name}", "--json")

    rejects = json.loads(again.stdout)["rejects"]
    assert [(r["row"], r["code"]) for r in rejects] == [(3, "duplicate"), (4, "missing_value")]


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
def test_bad_usage_exits_2_with_one_line(
    run: Callable[..., Any], ugly: Path, arguments: list[str], hint: str
) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert hint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_doubled_braces_are_pointed_out(run: Callable[..., Any], ugly: Path) -> None:
    result = run(ugly, "--message", "Hi {{first_name}}")

    assert "{{first_name}} sends “{first_name}” as it is written" in " ".join(result.stdout.split())


def test_a_refused_file_leaves_no_reject_file_behind(
    run: Callable[..., Any], ugly: Path, tmp_path: Path
) -> None:
    run(ugly, "--phone-column", "fax", "--rejects", tmp_path / "mend.csv")

    assert not (tmp_path / "mend.csv").exists()


def _told(run: Callable[..., Any], tmp_path: Path, content: str, *arguments: Any) -> str:
    """What is said of such a file, in one line."""
    file = tmp_path / "told.csv"
    file.write_text(content)
    return " ".join(run(file, *arguments).stdout.split())


def test_a_duplicate_in_the_mended_file_is_not_texted_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "mend.csv"
    content = "phone\n+15551230000\n15551230000\n1.5551E+10\n"

    told = _told(run, tmp_path, content, "--rejects", out)
    out.write_text(out.read_text("utf-8-sig").replace("1.5551E+10,4", "+15551230003,4"))
    again = run(out, "--json")

    assert "Keep its volley_ columns" in told
    report = json.loads(again.stdout)
    assert (report["accepted"], report["duplicates"]) == (1, 1)


def test_without_duplicates_nothing_is_said_of_our_columns(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    assert "volley_" not in _told(run, tmp_path, "phone\n+15551230000\n911\n")


def test_the_longest_text_is_named_and_its_beginning_shown(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    content = f"phone,name\n+15551230000,Ana\n+15551230001,{'Bo ' * 80}\n"

    told = _told(run, tmp_path, content, "--message", "Hi {name}")

    assert "Row 2 will read: Hi Ana" in told
    assert "Row 3 is the longest (2 segments, 242 characters) and begins: Hi Bo Bo" in told


def test_a_single_text_is_told_in_the_singular(run: Callable[..., Any], tmp_path: Path) -> None:
    told = _told(run, tmp_path, "phone\n+15551230000\n", "--message", "Hi")

    assert "It costs 1 segment." in told
    assert "Row 2 will read: Hi" in told
    assert "longest" not in told


def test_values_with_braces_are_pointed_out_and_kept(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    content = "phone,name,note\n+15551230000,Ana,{x}\n+15551230001,{first_name},\n"

    told = _told(run, tmp_path, content, "--message", "Hi {name}")

    assert "2 accepted, 0 rejected" in told
    assert "1 row has braces in its values" in told
    assert "e.g. row 3: {first_name}" in told


def test_several_mends_for_one_code_say_whose_they_are(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    told = _told(run, tmp_path, "phone\n555200001O\n911\n07911 123456\n")

    assert "→ row 2: Compare it with its source" in told
    assert "→ row 3: Write the whole number" in told
    assert "→ row 4: If it is a number of another country" in told
    assert "US numbers (see --region)" in told


def test_one_mend_for_all_rows_names_none(run: Callable[..., Any], tmp_path: Path) -> None:
    told = _told(run, tmp_path, "phone\n911\n112\n")

    assert "→ Write the whole number" in told


def test_of_two_columns_that_may_hold_the_number_the_other_is_named(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    told = _told(run, tmp_path, "contact,phone\nx,+15551230000\n")

    assert "Phone numbers are in “phone”" in told
    assert "Not in “contact”: name another with --phone-column." in told


def test_uk_is_read_as_gb_and_a_column_of_calling_codes_is_named(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "guests.csv"
    file.write_text("country_code,phone\n,07400 123456\n49,0171 3369876\n")

    result = run(file, "--region", "UK")

    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "read as GB numbers" in text
    assert "Where “country_code” says another country code" in text


def test_a_file_is_read_as_the_options_say(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "guests.csv"
    file.write_bytes("phone;name,x\n+15551230000;Kučera\n".encode("cp1250"))

    found = json.loads(run(file, "--json").stdout)
    said = json.loads(
        run(file, "--json", "--encoding", "cp1250", "--delimiter", "semicolon").stdout
    )
    wrong = run(file, "--encoding", "base64")

    assert (found["encoding"], found["warnings"][0]["code"]) == ("windows-1252", "encoding_unsure")
    assert (said["encoding"], said["delimiter"], said["warnings"]) == ("windows-1250", ";", [])
    assert wrong.exit_code == 2
    assert "no encoding" in wrong.output


def test_a_mark_of_its_own_is_named_where_it_costs_ucs_2(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    text = _told(run, tmp_path, "phone,name\n+15551230000,Jo\u0308rg\n", "--message", "Hi {name}")

    assert "(latin small letter o and combining diaeresis) in 1 text" in text
    assert "Warning: Row 2: “o\u0308” is written as “o” and combining diaeresis" in text


def test_a_check_leaves_the_process_the_memory_it_had(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)

    _told(run, tmp_path, "phone,name\n+15551230000,Ana\n")

    assert resource.getrlimit(resource.RLIMIT_DATA) == before
