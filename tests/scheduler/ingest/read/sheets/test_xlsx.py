"""An XLSX's cells and rows, in the shapes that programs write them."""

import datetime
import io

import openpyxl
import pytest
import xlsxwriter

from scheduler.ingest import Rows, open_rows
from tests.support.workbooks import MAIN, formats, packed, row, xlsx_parts


def read(content: bytes) -> Rows:
    return open_rows(io.BytesIO(content), filename="guests.xlsx")


def cells_of(
    *cells: str, styles: str | None = None, strings: str | None = None, properties: str = ""
) -> list[str]:
    """The texts of one row of these cells in XML, below a header."""
    header = row(1, "phone", *(f"c{i}" for i in range(1, len(cells))))
    parts = xlsx_parts(
        f'{header}<row r="2">{"".join(cells)}</row>',
        styles=styles,
        strings=strings,
        properties=properties,
    )
    ((number, texts),) = read(packed(parts))
    assert number == 2
    return texts


def test_each_kind_of_cell_is_read_as_it_is_shown() -> None:
    assert cells_of(
        '<c r="A2"><v>15551230000</v></c>',
        '<c r="B2" t="b"><v>1</v></c>',
        '<c r="C2" t="b"><v>0</v></c>',
        '<c r="D2" t="e"><f>VLOOKUP(1,X,1)</f><v>#N/A</v></c>',
        '<c r="E2" t="str"><f>A2&amp;B2</f><v>Ana &amp; Bo</v></c>',
        '<c r="F2" t="inlineStr"><is><r><t>Jo</t></r><r><rPr><b/></rPr><t>sé</t></r></is></c>',
        '<c r="G2" t="n"><f>1/3</f><v>0.33333333333333331</v></c>',
        '<c r="H2" s="1" t="d"><v>2026-03-05T09:30:00</v></c>',
        '<c r="I2" t="str"><v>a_x000D_\n_x005F_x0041_</v></c>',
        '<c r="J2"><v>4.4121234567812346E+17</v></c>',
        '<c r="K2"><v>1.5551230000E10</v></c>',
        styles=formats("d mmm yyyy h:mm"),
    ) == [
        "15551230000", "TRUE", "FALSE", "#N/A", "Ana & Bo", "José", "0.333333333",
        "5 Mar 2026 9:30", "a\r\n_x0041_", "4.41212E+17", "15551230000",
    ]  # fmt: skip


def test_texts_are_shared_and_their_phonetic_readings_left_out() -> None:
    strings = (
        f'<sst xmlns="{MAIN}"><si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh>'
        "<phoneticPr/></si><si><r><t>A</t></r><r><t>na</t></r></si><si><t/></si><si/>"
        '<si><t xml:space="preserve"> x </t></si></sst>'
    )

    assert cells_of(
        *(f'<c r="{letter}2" t="s"><v>{i}</v></c>' for i, letter in enumerate("ABCDE")),
        strings=strings,
    ) == ["東京", "Ana", "", "", " x "]


def test_an_element_may_have_any_prefix_and_a_cell_no_address() -> None:
    sheet = (
        f'<x:worksheet xmlns:x="{MAIN}"><x:dimension ref="A1:XFD1048576"/><x:sheetData>'
        '<x:row><x:c t="inlineStr"><x:is><x:t>phone</x:t></x:is></x:c>'
        '<x:c t="inlineStr"><x:is><x:t>name</x:t></x:is></x:c></x:row>'
        '<x:row r="4"><x:c><x:v>1</x:v></x:c><x:c r="B4"/></x:row><x:row><x:c><x:v>2</x:v></x:c>'
        "</x:row></x:sheetData></x:worksheet>"
    )
    parts = xlsx_parts("") | {"xl/sheets/1.xml": sheet}

    assert list(read(packed(parts))) == [(4, ["1", ""]), (5, ["2", ""])]


def test_days_count_from_1904_where_the_workbook_says_so() -> None:
    told = {"styles": formats("yyyy-mm-dd"), "properties": 'date1904="1"'}

    assert cells_of('<c r="A2" s="1"><v>44624</v></c>', **told) == ["2026-03-05"]


def test_a_formula_without_its_result_is_warned_of() -> None:
    parts = xlsx_parts(row(1, "phone", "n") + '<row r="2"><c r="A2"><v>1</v></c>'
                       '<c r="B2"><f>1+1</f></c></row>')  # fmt: skip
    rows = read(packed(parts))

    assert list(rows) == [(2, ["1", ""])]
    (warning,) = rows.warnings.found()
    assert (warning.code, warning.rows) == ("no_result", [2])


@pytest.mark.parametrize(
    ("code", "warned"),
    [("[$-F800]dddd, mmmm d", "local_date"), ("[$-419]d mmmm", "foreign_date"), ("d mmmm", None)],
)
def test_a_date_each_computer_shows_its_own_way_is_warned_of(code: str, warned: str | None) -> None:
    cell = '<row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>46086</v></c></row>'
    rows = read(packed(xlsx_parts(row(1, "phone", "day") + cell, styles=formats(code))))

    list(rows)
    assert [warning.code for warning in rows.warnings.found()] == ([warned] if warned else [])


def test_what_xlsxwriter_writes_is_read_as_it_is_shown() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet("Guests")
    columns = {
        "phone": ("0", 15551230000, "15551230000"),
        "zip": ("00000", 2134, "02134"),
        "worked": ("[h]:mm", 1.5, "36:00"),
        "price": ("$0.00", 12.5, "$12.50"),
        "share": ("0%", 0.15, "15%"),
        "at": ("h:mm AM/PM", 0.375, "9:00 AM"),
        "day": ("d mmmm yyyy", datetime.date(2026, 3, 5), "5 March 2026"),
        "sum": ("#,##0.00;[Red](#,##0.00)", -1234.5, "(1,234.50)"),
        "text": ("@", "007", "007"),
    }
    for index, (name, (code, value, _)) in enumerate(columns.items()):
        sheet.write(0, index, name)
        sheet.write(1, index, value, book.add_format({"num_format": code}))
    sheet.write_rich_string(2, 1, "Jo", book.add_format({"bold": True}), "sé")
    sheet.write(2, 0, "+15551230001")
    book.close()

    rows = read(out.getvalue())

    assert rows.header == tuple(columns)
    assert list(rows) == [
        (2, [text for _, _, text in columns.values()]),
        (3, ["+15551230001", "José", *[""] * 7]),
    ]


def test_what_openpyxl_writes_is_read_as_it_is_shown() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["phone", "born", "length", "vip", "note"])
    sheet.append(["+15551230000", datetime.date(1990, 2, 1), datetime.timedelta(hours=36), True])
    sheet["B2"].number_format, sheet["C2"].number_format = "dd/mm/yyyy", "[h]:mm"
    sheet["E2"], sheet["E2"].data_type = "#N/A", "e"
    sheet.row_dimensions[3].hidden = True
    sheet["A3"] = "+15551230001"
    out = io.BytesIO()
    book.save(out)

    rows = read(out.getvalue())

    assert list(rows) == [(2, ["+15551230000", "01/02/1990", "36:00", "TRUE", "#N/A"])]
    assert rows.hidden_rows == 1


def test_cells_in_no_named_column_are_told_apart_and_hold_no_room() -> None:
    far = '<c r="XFD3" t="inlineStr"><is><t>far</t></is></c>'
    sheet = (
        row(1, "phone", "name")
        + row(2, "1", "a", "", "b")
        + f'<row r="3"><c r="A3"><v>2</v></c>{far}</row>'
    )

    assert list(read(packed(xlsx_parts(sheet)))) == [
        (2, ["1", "a", "b"]),
        (3, ["2", "", "far"]),
    ]
