"""Marks that leave cells open cost a file's own length, and its records are what they were."""

import csv
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.ingest.read import delimited
from scheduler.ingest.read.delimited import Damaged, Splitter, split_records

#: Lines of which each may leave a cell open, so many of them as may be together.
SHAPES = {
    "open within every line": 'x","x\n',
    "open within every line, between semicolons": 'x";"x\n',
    "open within every line, between tabs": 'x"\t"x\n',
    "open within every line, of many cells": 'x","x",y,"z\n',
    "open within every line, after marks written twice": '""x"","a ""b""\n' + 'x","x\n' * 9,
    "open at the end": 'x",x,"\n',
    "long lines": 'x","' + "x" * 3_000 + "\n",
    "long lines of short cells": 'x","x' + ",y" * 1_500 + "\n",
    "spoiled after 900 lines": 'x","x\n' * 900 + '"a"b\n',
    "closed after 1100 lines": 'x","x\n' * 1_100 + 'x"\n',
    "a cell that is too long after 300 lines": 'x","x\n' * 300 + "y" * 140_000 + "\n",
    "every tenth of them": 'x","x\n' + "+12025550100,Ana\n" * 9,
    "with blank lines between": 'x","x\n\n',
    "ended by a carriage return": 'x","x\r',
    "a row of theirs, and one of good marks": 'x","x\n"+12025550100","Ana\n',
    "never closed": '"a\n',
}


def _file(shape: str, size: int) -> str:
    """A file of some `size` characters."""
    lines = SHAPES[shape]
    return "phone,name\n+12025550101,Bo\n" + lines * (size // len(lines) + 1)


def _read(text: str) -> list[list[str] | Damaged]:
    """The records of all blocks, those of columns put together again."""
    records: list[Any] = []
    for block in Splitter(io.StringIO(text, newline=""), ",").blocks(2):
        records += map(list, zip(*block, strict=True)) if isinstance(block, tuple) else block
    return records


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters the parser was given."""
    characters, reader = [0], csv.reader

    def counting(lines: Any, **how: Any) -> reader:  # type: ignore[valid-type]
        def told() -> Iterator[str]:
            for line in lines:
                characters[0] += len(line)
                yield line

        return reader(told(), **how)

    monkeypatch.setattr(csv, "reader", counting)
    return characters


@pytest.mark.parametrize("shape", SHAPES)
def test_the_parser_reads_no_character_more_than_four_times(shape: str, parsed: list[int]) -> None:
    text = _file(shape, 1_500_000 if "long" in shape else 250_000)

    _read(text)

    assert len(text) <= parsed[0] <= 4 * len(text)


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_lines_take_at_most_fifteen_times_as_long(shape: str) -> None:
    few, many = _file(shape, 1_000), _file(shape, 10_000)
    long = len(many) / len(few) / 10  # a shape may be longer than that

    ratio = _seconds(many) / _seconds(few)
    for _ in range(10):
        if ratio > 15 * long:  # a neighbour on the machine makes it longer now and then
            ratio = min(ratio, _seconds(many) / _seconds(few))

    assert ratio <= 15 * long


def _seconds(text: str) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        _read(text)
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("shape", SHAPES)
def test_what_such_a_file_holds_is_what_reading_every_line_anew_finds(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_MOST_LINES", 100)
    monkeypatch.setattr(delimited, "_PIECE", 3_000)
    text = _file(shape, 10_000)

    expected = _anew(io.StringIO(text, newline="").readlines())

    assert _typed(_read(text)) == _typed(expected)


_WORDS = ["x", "a", ",", ",", '"', '"', '"', '","', '""', 'x","x', "\n", "\n", "\r\n", "yyyyyyy"]


@given(st.lists(st.sampled_from(_WORDS), max_size=60))
@settings(max_examples=300)
def test_whatever_a_file_holds_its_records_are_those_of_reading_every_line_anew(
    words: list[str],
) -> None:
    lines = io.StringIO("".join(words), newline="").readlines()

    with _limits_that_are_met():
        assert _typed(split_records(lines, ",")) == _typed(_anew(lines))


def test_a_record_as_long_as_may_be_is_not_the_last() -> None:
    longest = ",".join(["x" * 100_000] * 10) + ',"\n'
    lines = [longest, "x" * 60_000 + '"\n', "1,a\n"]

    records = list(split_records(lines, ","))

    assert ([len(cells) for cells in records], records[-1]) == ([11, 2], ["1", "a"])


@contextmanager
def _limits_that_are_met() -> Iterator[None]:
    before = csv.field_size_limit(9)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited, "_MOST_LINES", 4)
            patch.setattr(delimited, "_MOST_CHARACTERS", 24)
            yield
    finally:
        csv.field_size_limit(before)


def _typed(
    records: Iterator[Any] | list[list[str] | Damaged],
) -> list[tuple[list[str], type[list[Any]] | type[Damaged]]]:
    return [(list(cells), type(cells)) for cells in records if any(cells)]


def _anew(lines: list[str]) -> Iterator[list[str] | Damaged]:
    """The records, each line's own read from its beginning."""
    at = 0
    while at < len(lines):
        record = _Counted(_within_limits(lines[at:]))
        try:
            cells = next(csv.reader(record, strict=True))
        except csv.Error:
            cells, record.lines = delimited._alone(lines[at], ","), 1
        yield cells
        at += record.lines


class _Counted:
    """Lines, and how many of them were taken."""

    def __init__(self, lines: Iterator[Any]) -> None:
        self._given, self.lines = lines, 0

    def __iter__(self) -> Iterator[str]:
        for line in self._given:
            self.lines += 1
            yield line


def _within_limits(lines: list[str]) -> Iterator[str]:
    """The lines that one record may take."""
    size = 0
    for line in lines[: delimited._MOST_LINES]:
        if size >= delimited._MOST_CHARACTERS:
            return
        size += len(line)
        yield line
