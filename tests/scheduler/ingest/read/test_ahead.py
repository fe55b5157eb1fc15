"""Marks that leave cells open cost a file's own length, and its records are what they were."""

import csv
import io
import time
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.ingest.read import delimited
from scheduler.ingest.read.delimited import Splitter, split_records

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


def _file(shape, size):
    """A file of some `size` characters."""
    lines = SHAPES[shape]
    return "phone,name\n+12025550101,Bo\n" + lines * (size // len(lines) + 1)


def _read(text):
    """The records of all blocks, those of columns put together again."""
    records = []
    for block in Splitter(io.StringIO(text, newline=""), ",").blocks(2):
        records += map(list, zip(*block, strict=True)) if isinstance(block, tuple) else block
    return records


@pytest.fixture
def parsed(monkeypatch):
    """How many characters the parser was given."""
    characters, reader = [0], csv.reader

    def counting(lines, **how):
        def told():
            for line in lines:
                characters[0] += len(line)
                yield line

        return reader(told(), **how)

    monkeypatch.setattr(csv, "reader", counting)
    return characters


@pytest.mark.parametrize("shape", SHAPES)
def test_the_parser_reads_no_character_more_than_four_times(shape, parsed):
    text = _file(shape, 1_500_000 if "long" in shape else 250_000)

    _read(text)

    assert len(text) <= parsed[0] <= 4 * len(text)


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_lines_take_at_most_fifteen_times_as_long(shape):
    few, many = _file(shape, 1_000), _file(shape, 10_000)
    long = len(many) / len(few) / 10  # a shape may be longer than that

    ratio = _seconds(many) / _seconds(few)
    for _ in range(10):
        if ratio > 15 * long:  # a neighbour on the machine makes it longer now and then
            ratio = min(ratio, _seconds(many) / _seconds(few))

    assert ratio <= 15 * long


def _seconds(text):
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        _read(text)
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("shape", SHAPES)
def test_what_such_a_file_holds_is_what_reading_every_line_anew_finds(shape, monkeypatch):
    monkeypatch.setattr(delimited, "_MOST_LINES", 100)
    monkeypatch.setattr(delimited, "_PIECE", 3_000)
    text = _file(shape, 10_000)

    expected = _anew(io.StringIO(text, newline="").readlines())

    assert _typed(_read(text)) == _typed(expected)


_WORDS = ["x", "a", ",", ",", '"', '"', '"', '","', '""', 'x","x', "\n", "\n", "\r\n", "yyyyyyy"]


@given(st.lists(st.sampled_from(_WORDS), max_size=60))
@settings(max_examples=300)
def test_whatever_a_file_holds_its_records_are_those_of_reading_every_line_anew(words):
    lines = io.StringIO("".join(words), newline="").readlines()

    with _limits_that_are_met():
        assert _typed(split_records(lines, ",")) == _typed(_anew(lines))


def test_a_record_as_long_as_may_be_is_not_the_last():
    longest = ",".join(["x" * 100_000] * 10) + ',"\n'
    lines = [longest, "x" * 60_000 + '"\n', "1,a\n"]

    records = list(split_records(lines, ","))

    assert ([len(cells) for cells in records], records[-1]) == ([11, 2], ["1", "a"])


@contextmanager
def _limits_that_are_met():
    before = csv.field_size_limit(9)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited, "_MOST_LINES", 4)
            patch.setattr(delimited, "_MOST_CHARACTERS", 24)
            yield
    finally:
        csv.field_size_limit(before)


def _typed(records):
    return [(list(cells), type(cells)) for cells in records if any(cells)]


def _anew(lines):
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

    def __init__(self, lines):
        self._given, self.lines = lines, 0

    def __iter__(self):
        for line in self._given:
            self.lines += 1
            yield line


def _within_limits(lines):
    """The lines that one record may take."""
    size = 0
    for line in lines[: delimited._MOST_LINES]:
        if size >= delimited._MOST_CHARACTERS:
            return
        size += len(line)
        yield line
