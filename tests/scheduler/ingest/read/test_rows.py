"""A file as rows: numbered as a spreadsheet shows them."""

import io
import zipfile
from typing import Any

import pytest

from scheduler.ingest import Rows, open_rows
from scheduler.ingest.rejects import Returned
from shared.errors import Refused


def _rows(text: str, encoding: str = "utf-8") -> Rows:
    return open_rows(io.BytesIO(text.encode(encoding)), filename="guests.csv")


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    rows = _rows('phone,note\n+1,a\n\n+2,"b\nc"\n,,\n+3,d\n')

    assert list(rows) == [(2, ["+1", "a"]), (4, ["+2", "b\nc"]), (6, ["+3", "d"])]


@pytest.mark.parametrize("blank", [";;", "   ;  ; ", '"   ;  ; ;"', "\xa0;\t;", '" ";;""', '"  "'])
def test_blanks_between_delimiters_make_a_row_no_less_blank(blank: str) -> None:
    rows = _rows(f"phone;name;city\n+1;a;b\n{blank}\n+2; ;b\n")

    assert list(rows) == [(2, ["+1", "a", "b"]), (4, ["+2", " ", "b"])]


def test_a_file_can_be_read_twice() -> None:
    rows = _rows("phone\n+1\n")

    assert list(rows) == list(rows)


def test_the_header_may_come_after_blank_lines_and_is_trimmed() -> None:
    rows = _rows("\n\n phone , First Name ,\n+1,Ana,\n")

    assert rows.header == ("phone", "First Name")
    assert list(rows) == [(4, ["+1", "Ana", ""])]


def test_the_line_excel_hides_is_not_counted() -> None:
    rows = _rows("sep=;\r\nphone;name\r\n+1;Ana\r\n", "utf-8-sig")

    assert rows.delimiter == ";"
    assert list(rows) == [(2, ["+1", "Ana"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_common_way_of_writing_a_file_reads_alike(
    encoding: str, delimiter: str, end: str
) -> None:
    lines = [f"phone{delimiter}name", f"+15551230000{delimiter}José", f"+15551230001{delimiter}Zoë"]

    rows = _rows(end.join(lines), encoding)

    assert rows.header == ("phone", "name")
    assert list(rows) == [(2, ["+15551230000", "José"]), (3, ["+15551230001", "Zoë"])]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("phone,name\n", "no_rows"),
        ("phone,name\n\n,,\n", "no_rows"),
        ("\n\n\n", "empty_file"),
        ('phone,"name,city\n+15552000001,Ana,Reno\n+15552000002,Bo 6",x\n', "open_quote"),
        ('phone,"name\n+15552000001,Ana\n+15552000002,Bo\n', "open_quote"),
    ],
)
def test_a_file_without_rows_or_with_an_open_quote_in_its_header_is_refused(
    text: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        _rows(text)

    assert refused.value.code == code


def test_a_header_may_have_line_breaks_in_its_names() -> None:
    rows = _rows('"phone\n(mobile, or +1 555 200 0000)",name\n+15552000001,Ana\n')

    assert list(rows) == [(2, ["+15552000001", "Ana"])]


@pytest.mark.parametrize("cell", ["'-10% off'", "'=1+1", "''tis", "'+15551230000", '"Bob" Smith'])
def test_a_cell_stays_byte_for_byte(cell: str) -> None:
    rows = _rows(f"phone,note\n+1,{cell}\n+2,Ana\n")

    assert list(rows) == [(2, ["+1", cell]), (3, ["+2", "Ana"])]


def test_a_file_named_csv_may_be_a_workbook() -> None:
    cells = {"A1": "Mobile", "B1": "Name", "A2": 15551230000, "B2": "Ana", "A5": 1.555123e10}

    rows = open_rows(io.BytesIO(workbook(cells)), filename="guests.csv")

    assert rows.header == ("Mobile", "Name")
    assert rows.delimiter is None
    assert list(rows) == [(2, ["15551230000", "Ana"]), (5, ["15551230000", ""])]
    assert list(rows) == list(rows)


def test_a_workbook_may_begin_anywhere_on_the_sheet() -> None:
    rows = open_rows(io.BytesIO(workbook({"C4": "phone", "C6": "+15551230000"})), filename="x")

    assert rows.header == ("phone",)
    assert list(rows) == [(6, ["+15551230000"])]


def test_dates_and_truths_of_a_workbook_are_written_plainly() -> None:
    cells = {"A1": "phone", "B1": "when", "C1": "vip", "A2": "+1", "B2": 46000.5, "C2": True}

    rows = open_rows(io.BytesIO(workbook(cells)), filename="x")

    assert list(rows) == [(2, ["+1", "46000.5", "TRUE"])]


def test_a_duplicate_that_comes_back_in_a_workbook_brings_its_former_number() -> None:
    cells = {
        "A1": "phone", "B1": "volley_value", "C1": "volley_code",
        "A2": 15551230000, "B2": "'+15551230000", "C2": " Duplicate ",
        "A3": 15551230001, "B3": "911", "C3": "invalid_phone",
    }  # fmt: skip

    rows = open_rows(io.BytesIO(workbook(cells)), filename="mend.xlsx")

    (_, first), (_, second) = rows
    assert (first, second) == (["15551230000"], ["15551230001"])
    assert isinstance(first, Returned)
    assert first.value == "+15551230000"
    assert not isinstance(second, Returned)


@pytest.mark.parametrize("cells", [{}, {"A1": " ", "B3": ""}])
def test_an_empty_first_sheet_is_named(cells: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        open_rows(io.BytesIO(workbook(cells)), filename="x.xlsx")

    assert refused.value.code == "empty_file"
    assert "“Guests”" in refused.value.message


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 cut short", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1??"]
)
def test_a_broken_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        open_rows(io.BytesIO(content), filename="x.xlsx")

    assert refused.value.code == "not_a_csv"


def test_a_zip_of_something_else_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("guests.csv", "phone\n+1\n")

    with pytest.raises(Refused) as refused:
        open_rows(packed, filename="guests.zip")

    assert refused.value.code == "not_a_csv"


_OOXML = "http://schemas.openxmlformats.org"
_MAIN = f"{_OOXML}/spreadsheetml/2006/main"
_RELATIONS = f"{_OOXML}/officeDocument/2006/relationships"
_PACKAGE = f"{_OOXML}/package/2006"


def workbook(cells: dict[str, Any]) -> bytes:
    """The smallest XLSX that holds `cells`, a dict of address → value in reading order."""
    lines: dict[Any, Any] = {}
    for address, value in cells.items():
        lines.setdefault(address.lstrip("ABC"), []).append(_cell(address, value))
    sheet = "".join(f'<row r="{line}">{"".join(c)}</row>' for line, c in lines.items())
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": _relation(f"{_RELATIONS}/officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="Guests" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation(f"{_RELATIONS}/worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}">'
        f"<sheetData>{sheet}</sheetData></worksheet>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _cell(address: str, value: str | float) -> str:
    if isinstance(value, bool):
        return f'<c r="{address}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{address}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{address}"><v>{value!r}</v></c>'


def _relation(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{kind}" Target="{target}"/></Relationships>'
    )


@pytest.mark.parametrize(
    ("name", "why"), [(b"\xed\xa0\x80name", "bytes"), (b"na\xefme", "bytes"), (b"na\x00me", "NUL")]
)
def test_a_header_that_has_no_readable_names_is_refused(name: bytes, why: str) -> None:
    file = b"phone," + name + "\n+15551230000,José\n+15551230001,Zoë\n".encode()

    with pytest.raises(Refused, match=why) as refused:
        open_rows(io.BytesIO(file), filename="guests.csv")

    assert refused.value.code == "unreadable_header"
    assert refused.value.details == {"column": 2}
