"""Quotation marks and line ends, as people's exports have them."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ingest.read import delimited
from scheduler.ingest.read.delimited import (
    Damaged,
    Splitter,
    is_blank,
    split_records,
)


def test_a_quoted_line_break_does_not_end_a_record() -> None:
    records = list(split_records(['1,"a\r\n', 'b"\r\n', "2,c\r\n"], ","))

    assert records == [["1", "a\r\nb"], ["2", "c"]]


def test_a_quotation_mark_never_closed_costs_its_own_line_only() -> None:
    lines = ["1,a\n", '2,"b\n', "3,c\n", '4,"d"\n', "5,e\n"]

    records = list(split_records(lines, ","))

    assert records == [["1", "a"], ["2", "b"], ["3", "c"], ["4", "d"], ["5", "e"]]
    assert [isinstance(record, Damaged) for record in records] == [False, True, False, False, False]


def test_a_quotation_mark_never_closed_does_not_swallow_a_long_file() -> None:
    lines = ['0,"a\n', *(f"{number},b\n" for number in range(1, 20_000))]

    records = list(split_records(lines, ","))

    assert len(records) == 20_000
    assert sum(isinstance(record, Damaged) for record in records) == 1


def test_marks_in_odd_places_are_forgiven() -> None:
    lines = ['1,"Ann" Lee,x\n', '2,5" pipe,y\n', '3,"Bo ""B"" Ray",z\n', '4, "sp",w']

    records = list(split_records(lines, ","))

    assert records == [
        ["1", '"Ann" Lee', "x"],
        ["2", '5" pipe', "y"],
        ["3", 'Bo "B" Ray', "z"],
        ["4", ' "sp"', "w"],
    ]


def test_a_cell_larger_than_any_text_is_damage_and_not_an_error() -> None:
    lines = ["1,a\n", "2," + "x" * 200_000 + "\n", "3,c\n"]

    records = list(split_records(lines, ","))

    assert [len(record) for record in records] == [2, 1, 2]
    assert isinstance(records[1], Damaged)


def test_line_ends_of_every_kind_end_a_record() -> None:
    assert list(split_records(["1,a\r", "2,b\r\n", "3,c\n", "\n", "4,d"], ",")) == [
        ["1", "a"],
        ["2", "b"],
        ["3", "c"],
        [],
        ["4", "d"],
    ]


_WAYS = [
    "1,a\n2,b\n3,c\n",
    "1,a\r\n2,b\r\n3,c",
    "1,a\r2,b\r3,c\r",
    "1,a\r\n2,b\n\n , \n3,c",
    '"1","a, b"\n2,"two\nlines"\n3,c\n',
    '1,a\n2,"open\n3,c\n4,d\n',
    "1,a\n2\n3,c,d\n4,d\n",
    "1,a,2\nb\n3,c\n",
    ",\n1,\n,2\n",
    "1;a\n2;b\n",
    '1,a\n2,b"\n3,c\n',
    "",
    "\n",
]


@pytest.mark.parametrize("piece", [1, 5, 100_000])
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("text", _WAYS)
def test_blocks_hold_the_records_that_are_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch, text: str, width: int, piece: int
) -> None:
    monkeypatch.setattr(delimited, "_PIECE", piece)
    expected = list(split_records(io.StringIO(text, newline=""), ","))

    blocks = list(Splitter(io.StringIO(text, newline=""), ",").blocks(width))

    assert [(cells, type(cells)) for cells in _records(blocks) if not is_blank(cells)] == [
        (cells, type(cells)) for cells in expected if not is_blank(cells)
    ]
    assert len(_records(blocks)) == len(expected)


@given(
    st.lists(st.sampled_from(["1", "a", ",", '"', "\n", "\r\n", "\r", "é", ", "]), max_size=40),
    st.integers(1, 3),
    st.integers(1, 30),
)
def test_whatever_a_file_holds_blocks_lose_none_of_it(
    pieces: list[str], width: int, piece: int
) -> None:
    text = "".join(pieces)
    expected = list(split_records(io.StringIO(text, newline=""), ","))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_PIECE", piece)
        blocks = list(Splitter(io.StringIO(text, newline=""), ",").blocks(width))

    assert list(filter(any, _records(blocks))) == list(filter(any, expected))
    assert len(_records(blocks)) == len(expected)


def _records(blocks: list[Any]) -> Any:
    """All records, those of columns put together again."""
    records: list[Any] = []
    for block in blocks:
        records += map(list, zip(*block, strict=True)) if isinstance(block, tuple) else block
    return records


def test_plain_lines_come_as_columns() -> None:
    blocks = list(Splitter(io.StringIO("1,a\n2,b\n", newline=""), ",").blocks(2))

    assert blocks == [(["1", "2"], ["a", "b"])]


def test_a_record_read_alone_is_not_read_again() -> None:
    reader = Splitter(io.StringIO('"h\n1",x\n1,a\n2,b\n', newline=""), ",")

    assert reader.record() == ["h\n1", "x"]
    assert list(reader.blocks(2)) == [(["1", "2"], ["a", "b"])]
