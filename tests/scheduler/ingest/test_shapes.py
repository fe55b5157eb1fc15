"""Ugly files as people export them: each is read rightly, or it is said what is wrong with it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from scheduler.cli.check import check
from tests.support.shapes import FOLDER, Shape, shapes

SHAPES = list(shapes())


def _named(shape: Shape) -> str:
    return shape.path.stem


def test_there_are_many_shapes_and_each_is_expected_to_be_something():
    known = json.loads(FOLDER.with_suffix(".json").read_text())

    assert len(SHAPES) >= 40
    assert {shape.path.name for shape in SHAPES} == set(known)


@pytest.mark.parametrize("shape", SHAPES, ids=_named)
def test_what_is_said_of_a_file_and_what_its_people_would_be_texted(shape):
    assert shape.checked() == shape.expected


@pytest.mark.parametrize("shape", SHAPES, ids=_named)
def test_the_command_says_the_same(shape):
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
