"""Which delimiter divides a file, and where its header is: decided by all of its rows."""

import io

import pytest

from scheduler.ingest import Reading, open_rows
from scheduler.ingest.read.layout import Layout, declared_delimiter, heading, layout_of
from shared.errors import Refused


def _layout(text: str, **given: str) -> Layout:
    return layout_of(lambda: io.StringIO(text, newline=""), **given)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("phone,name\n+1,Ana\n", ","),
        ("phone;name\n+1;Ana, Bo\n", ";"),
        ("phone;name, first\n+1;Doe, Jane\n+2;Roe, Rick\n", ";"),
        ("phone\tname\n+1\tAna, Bo; Cy\n", "\t"),
        ("phone|name\n+1|Ana\n", "|"),
        ('"name; nick",phone\n"a; b",+1\n', ","),
        ("phone\n+15551230000\n+15551230001\n", ","),
        ("phone\n+1 (555) 123;0000\n", ","),
        ('\nphone;note\n+1;"two\nlines"\n', ";"),
        ("Rufnummer;Name, Vorname\n+4917012345678;Doe, Jane\n+4917012345679;Roe, Rick\n", ";"),
        ('Rufnummer;"Name, Vorname"\n+4917012345678;"Doe, Jane"\n', ";"),
        ('"Name, Vorname";Nr\nDoe, Jane;+4917012345678\n', ";"),
        ("Betrag (EUR, netto);Nr\n12,50;+4917012345678\n9,90;+4917012345679\n", ";"),
        ("Nr,Zeit;Ort\n+4917012345678,a;b\n+4917012345679,c;d\n", ","),
        ("Numéro\tNom; Prénom, Titre\n+33612345678\tA; B, C\n", "\t"),
        ("Nr|a,b\n0170 1234567|x,y\n", "|"),
    ],
)
def test_the_delimiter_is_found(text: str, delimiter: str) -> None:
    assert _layout(text).delimiter == delimiter


def test_rows_far_down_decide_too() -> None:
    alike = "+4917012345678;Jane\n" * 500
    commas = "".join(f"+49170123{number:05d};Doe, Jane\n" for number in range(400))

    assert _layout(f"Rufnr;Name, Vorname\n{alike}{commas}").delimiter == ";"
    assert _layout(f"Rufnr;Name, Vorname\n{commas}{alike}").delimiter == ";"


def test_where_two_delimiters_fit_as_well_it_is_asked_which() -> None:
    text = "phone;name,mobile\n+4917012345678;Jane,+4917012345679\n"

    with pytest.raises(Refused) as refused:
        _layout(text)

    assert refused.value.code == "unclear_delimiter"
    assert "semicolons as well as by commas" in refused.value.message.replace(
        "commas as well as by semicolons", "semicolons as well as by commas"
    )
    assert _layout(text, delimiter=",").delimiter == ","


def test_what_is_said_of_the_delimiter_overrules_what_is_found() -> None:
    raw = b"sep=;\nphone,number;name\n+15551230000,a;b\n"
    file = io.BytesIO(raw)

    found = open_rows(file, filename="x")
    said = open_rows(file, filename="x", reading=Reading(delimiter=","))

    assert (found.delimiter, found.header) == (";", ("phone,number", "name"))
    assert (said.delimiter, said.header) == (",", ("phone", "number;name"))
    assert list(said) == [(2, ["+15551230000", "a;b"])]


def test_the_line_excel_writes_for_itself_is_understood() -> None:
    assert declared_delimiter("sep=;\r\n") == ";"
    assert declared_delimiter('"sep=\t"\n') == "\t"
    assert declared_delimiter("separator\n") is None


@pytest.mark.parametrize(
    ("records", "titles"),
    [
        ([["Customers"], ["phone", "name"], ["+15551230000", "Ana"]], 1),
        ([["Customers", ""], [], ["as of", "2026-11-01", ""], ["n", "city", "Mobile"]], 3),
        ([["Kundenliste", "", ""], ["Nr", "Ort", ""], ["+15551230000", "Reno", ""]], 1),
        ([["phone"], ["+15551230000", "Ana"]], 0),
        ([["list"], ["+15551230000", "Ana"]], 0),
        ([["name", "kind", "value"], ["Ana", "Mobile", "+15551230000"]], 0),
        ([["name", "kind", "value"], ["Ana", "Mobile", ""]], 0),
        ([["Nr"], ["a"], ["b"]], 0),
        ([["Nr", "Name"], ["a", "b"]], 0),
        ([], 0),
    ],
)
def test_titles_above_the_header_are_told_from_the_header(
    records: list[list[str]], titles: int
) -> None:
    assert heading(records) == titles


def test_a_title_is_left_out_with_a_warning_and_rows_keep_their_numbers() -> None:
    text = "Kunden, Stand 1.11.2026\n\nTelefon;Name\n+15551230000;Ana\n"

    rows = open_rows(io.BytesIO(text.encode()), filename="x")

    assert (rows.delimiter, rows.header) == (";", ("Telefon", "Name"))
    assert list(rows) == [(4, ["+15551230000", "Ana"])]
    (warning,) = rows.warnings.found()
    assert (warning.code, warning.rows) == ("title_row", [1])
    assert "“Kunden, Stand 1.11.2026”" in warning.message
