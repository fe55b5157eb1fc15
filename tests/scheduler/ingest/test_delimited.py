"""Delimiters and quotation marks, as people's exports have them."""

import pytest

from scheduler.ingest.columns import is_phone_name
from scheduler.ingest.delimited import Damaged, declared_delimiter, likely_delimiter, split_records


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["phone,name\n", "+1,Ana\n"], ","),
        (["phone;name\n", "+1;Ana, Bo\n"], ";"),
        (["phone;name, first\n", "+1;Doe, Jane\n", "+2;Roe, Rick\n"], ";"),
        (["phone\tname\n", "+1\tAna, Bo; Cy\n"], "\t"),
        (["phone|name\n", "+1|Ana\n"], "|"),
        (['"name; nick",phone\n', '"a; b",+1\n'], ","),
        (["phone\n", "+15551230000\n", "+15551230001\n"], ","),
        (["phone\n", "+1 (555) 123;0000\n"], ","),
        (["\n", "phone;note\n", '+1;"two\n', 'lines"\n'], ";"),
    ],
)
def test_the_delimiter_is_found(lines, delimiter):
    assert likely_delimiter(lines, is_phone_name) == delimiter


def test_the_line_excel_writes_for_itself_is_understood():
    assert declared_delimiter("sep=;\r\n") == ";"
    assert declared_delimiter('"sep=\t"\n') == "\t"
    assert declared_delimiter("separator\n") is None


def test_a_quoted_line_break_does_not_end_a_record():
    records = list(split_records(['1,"a\r\n', 'b"\r\n', "2,c\r\n"], ","))

    assert records == [["1", "a\r\nb"], ["2", "c"]]


def test_a_quotation_mark_never_closed_costs_its_own_line_only():
    lines = ["1,a\n", '2,"b\n', "3,c\n", '4,"d"\n', "5,e\n"]

    records = list(split_records(lines, ","))

    assert records == [["1", "a"], ["2", "b"], ["3", "c"], ["4", "d"], ["5", "e"]]
    assert [isinstance(record, Damaged) for record in records] == [False, True, False, False, False]


def test_a_quotation_mark_never_closed_does_not_swallow_a_long_file():
    lines = ['0,"a\n', *(f"{number},b\n" for number in range(1, 20_000))]

    records = list(split_records(lines, ","))

    assert len(records) == 20_000
    assert sum(isinstance(record, Damaged) for record in records) == 1


def test_marks_in_odd_places_are_forgiven():
    lines = ['1,"Ann" Lee,x\n', '2,5" pipe,y\n', '3,"Bo ""B"" Ray",z\n', '4, "sp",w']

    records = list(split_records(lines, ","))

    assert records == [
        ["1", "Ann Lee", "x"],
        ["2", '5" pipe', "y"],
        ["3", 'Bo "B" Ray', "z"],
        ["4", ' "sp"', "w"],
    ]


def test_a_cell_larger_than_any_text_is_damage_and_not_an_error():
    lines = ["1,a\n", "2," + "x" * 200_000 + "\n", "3,c\n"]

    records = list(split_records(lines, ","))

    assert [len(record) for record in records] == [2, 1, 2]
    assert isinstance(records[1], Damaged)


def test_line_ends_of_every_kind_end_a_record():
    assert list(split_records(["1,a\r", "2,b\r\n", "3,c\n", "\n", "4,d"], ",")) == [
        ["1", "a"],
        ["2", "b"],
        ["3", "c"],
        [],
        ["4", "d"],
    ]
