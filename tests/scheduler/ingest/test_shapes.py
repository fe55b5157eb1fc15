"""Ugly files as people export them: each is read rightly, or it is said what is wrong with it."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

from scheduler.cli.check.command import check
from tests.support import sources
from tests.support.shapes import FOLDER, Shape, shapes

SHAPES = list(shapes())


def _named(shape: Shape) -> str:
    return shape.path.stem


def test_there_are_many_shapes_and_each_is_expected_to_be_something() -> None:
    known = json.loads(FOLDER.with_suffix(".json").read_text())

    assert len(SHAPES) >= 40
    assert {shape.path.name for shape in SHAPES} == set(known)


@pytest.mark.parametrize("shape", SHAPES, ids=_named)
def test_what_is_said_of_a_file_and_what_its_people_would_be_texted(shape: Shape) -> None:
    assert shape.checked() == shape.expected


@pytest.mark.parametrize("shape", SHAPES, ids=_named)
def test_the_command_says_the_same(shape: Shape) -> None:
    app = typer.Typer()
    app.command()(check)
    expected = shape.expected

    result = CliRunner().invoke(app, [*shape.arguments(), "--json"])

    if expected.refused:
        assert (result.exit_code, result.stdout) == (2, "")
        return
    report = json.loads(result.stdout)
    assert result.exit_code == bool(expected.rejected)
    assert (report["encoding"], report["delimiter"]) == (expected.encoding, expected.delimiter)
    assert report["accepted"] == len(expected.texts)
    assert report["rejected"] == sum(expected.rejected.values())
    assert [warning["code"] for warning in report["warnings"]] == expected.warnings


def test_the_runbook_explains_every_doubt_about_a_files_reading() -> None:
    runbook = (sources.ROOT / "deploy/docs/runbook.md").read_text()
    section = runbook.partition("## A file is read wrongly")[2].partition("\n## ")[0]
    told = {code for line in section.splitlines() for code in re.findall(r"`(\w+_\w+)`", line[:50])}
    room = sources.ROOT / "scheduler/ingest"
    ours = ("encoding_guess", "header", "layout", "rows", "swallowed_rows", "byte_tally")
    files = [*(room / f"read/{name}.py" for name in ours), room / "check/report.py"]
    written = "".join(path.read_text() for path in files)
    raised = set(re.findall(r'(?:add|Refused)\(\s*"(\w+)"|code="(\w+)"', written))

    codes = {one or other for one, other in raised} - {"empty_file", "no_rows", "not_a_csv"}
    assert told == codes | {"open_quote", "left_out", "file_too_costly"}


def test_every_kind_of_doubt_has_a_shape() -> None:
    said = {code for shape in SHAPES for code in [*shape.expected.warnings, shape.expected.refused]}

    assert said >= {
        "encoding_unsure", "encoded_twice", "unclear_encoding", "unclear_delimiter", "title_row",
        "combining_mark",
    }  # fmt: skip
