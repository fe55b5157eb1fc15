"""A workbook's list: which sheet it is on, where it begins, which rows are of it."""

import io
from typing import Any

import pytest
import xlsxwriter

from scheduler.ingest import Chunk, Plan, Reading, Report, ReportBuilder, Rows, open_rows, validate
from scheduler.ingest.read import workbook
from shared.errors import Refused
from tests.support.workbooks import formats, packed, row, xlsx_parts

LIST = row(1, "phone", "name") + row(2, "+15551230000", "Ana")


def read(*sheets: Any, reading: Reading | None = None, **more: str) -> Rows:
    content = packed(xlsx_parts(*sheets, **more))
    return open_rows(io.BytesIO(content), filename="guests.xlsx", reading=reading or Reading())


def report(rows: Rows, **plan: Any) -> tuple[Report, list[Chunk]]:
    builder = ReportBuilder.of(rows, rate=1)
    chunks = list(validate(rows, Plan(**plan), report=builder, chunk=2))
    return builder.report(), chunks


def codes(rows: Rows) -> list[str]:
    return [warning.code for warning in rows.warnings.found()]


def refusal(*sheets: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        list(read(*sheets, **more))
    return refused.value


def test_hidden_rows_are_left_out_numbered_and_counted() -> None:
    sheet = row(1, "phone") + "".join(
        row(number, f"+1555123000{number}", attributes=attributes)
        for number, attributes in enumerate(
            ("", 'hidden="1"', 'hidden="true"', 'ht="0" customHeight="1"', 'hidden="0"', 'ht="15"'),
            2,
        )
    )
    sheet += row(8, "", attributes='hidden="1"') + row(9, "+15551230009", attributes='hidden="1"')

    told, _ = report(read(sheet))
    assert (told.rows, told.hidden_rows) == (3, 4)

    rows = read(sheet, reading=Reading(include_hidden=True))
    assert [number for number, _ in rows] == [2, 3, 4, 5, 6, 7, 9]
    assert report(rows)[0].hidden_rows == 0


def test_what_a_filter_hides_is_left_out() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    for number, cells in enumerate([("phone", "city"), (15551230000, "Reno"), (15551230001, "LA")]):
        sheet.write_row(number, 0, cells)
    sheet.autofilter(0, 0, 2, 1)
    sheet.filter_column(1, "x == Reno")
    sheet.set_row(2, options={"hidden": True})
    book.close()

    rows = open_rows(io.BytesIO(out.getvalue()), filename="x.xlsx")

    assert list(rows) == [(2, ["15551230000", "Reno"])]
    assert rows.hidden_rows == 1


def test_hidden_rows_behind_the_last_chunk_are_counted_too() -> None:
    """More rows than are read at once, and chunks that they fill exactly."""
    shown = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(2, 2002))

    told, _ = report(read(row(1, "phone") + shown + row(2002, "+1", attributes='hidden="1"')))

    assert (told.rows, told.hidden_rows) == (2000, 1)


def test_hidden_rows_are_counted_once_however_often_the_file_is_read() -> None:
    rows = read(LIST + row(3, "+15551230001", attributes='hidden="1"'))

    assert list(rows) == list(rows)
    assert rows.hidden_rows == 1


def test_a_list_all_of_whose_rows_are_hidden_is_refused_with_that_reason() -> None:
    refused = refusal(row(1, "phone") + row(2, "+15551230000", attributes='hidden="1"'))

    assert refused.code == "no_rows"
    assert "hides" in refused.message
    assert refusal(row(1, "phone")).message.startswith("The file has a header")


def test_a_hidden_column_is_read_like_any_other() -> None:
    parts = xlsx_parts(LIST)
    parts["xl/sheets/1.xml"] = parts["xl/sheets/1.xml"].replace(  # type: ignore[union-attr]
        "<sheetData>",  # type: ignore[arg-type]
        '<cols><col min="2" max="2" hidden="1"/></cols><sheetData>',  # type: ignore[arg-type]
    )

    assert open_rows(io.BytesIO(packed(parts)), filename="x").header == ("phone", "name")


@pytest.mark.parametrize(
    "titles",
    [
        row(1, "Guests of the gala"),
        row(1, "Guests", "as of") + row(2, "", "2026-03-05"),
        row(1, "Phone") + row(2, "exported 2026-03-05 09:00:00"),
    ],
)
def test_titles_above_the_header_are_passed_over_and_said(titles: str) -> None:
    rows = read(titles + row(4, "Mobile", "Name", "City") + row(5, "+15551230000", "Ana", "Reno"))

    assert rows.header == ("Mobile", "Name", "City")
    assert list(rows) == [(5, ["+15551230000", "Ana", "Reno"])]
    assert codes(rows) == ["rows_above_header"]
    assert "sheet “Sheet1”, row 4" in rows.warnings.found()[0].message


def test_a_header_on_top_is_not_talked_about() -> None:
    assert codes(read(LIST)) == []


@pytest.mark.parametrize("above", [("+15551230000", "Ana", "home"), ("15551230000", "Bo", "")])
def test_rows_with_numbers_are_never_taken_for_titles(above: tuple[str, str, str]) -> None:
    """The word “mobile” in a later row makes it no header of a list that has none."""
    with pytest.raises(Refused) as refused:
        report(read(row(1, *above) + row(2, "+15551230001", "Cy", "mobile")))

    assert refused.value.code in ("no_header", "no_phone_column")
    assert "sheet “Sheet1”, row 1" in refused.value.message


def test_a_header_without_a_known_name_is_the_first_row_with_most_names() -> None:
    sheet = row(1, "Guests") + row(2, "Line", "Name") + row(3, "+15551230000", "Ana")

    told, (chunk,) = report(read(sheet), phone_column="Line")
    assert told.accepted == 1
    assert chunk.accepted.phones == ["+15551230000"]
    with pytest.raises(Refused) as refused:
        report(read(sheet))
    assert refused.value.code == "no_phone_column"
    assert "sheet “Sheet1”, row 2" in refused.value.message


def test_a_placeholder_without_its_column_names_sheet_and_row() -> None:
    with pytest.raises(Refused) as refused:
        report(read(LIST), template="Hi {surname}")

    assert refused.value.code == "unknown_placeholder"
    assert "sheet “Sheet1”, row 1" in refused.value.message


def test_a_list_behind_a_cover_sheet_is_found_and_said() -> None:
    cover = ("Cover", "", row(1, "Our gala") + row(2, "Ask Ana for help"))

    rows = read(cover, ("Guests", "", LIST), ("Empty", "", ""))

    assert list(rows) == [(2, ["+15551230000", "Ana"])]
    (warning,) = rows.warnings.found()
    assert warning.code == "other_sheets"
    assert "“Guests”" in warning.message
    assert "“Cover”" in warning.message
    assert "“Empty”" not in warning.message


def test_several_lists_are_never_chosen_between() -> None:
    refused = refusal(("North", "", LIST), ("Notes", "", row(1, "x")), ("South", "", LIST))

    assert refused.code == "which_sheet"
    assert refused.details == {"sheets": ["North", "South"]}


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_no_list(state: str) -> None:
    rows = read(("Old", state, LIST.replace("Ana", "Old")), ("New", "", LIST))

    assert list(rows) == [(2, ["+15551230000", "Ana"])]
    assert codes(rows) == []


def test_a_list_without_rows_does_not_stand_beside_one_with() -> None:
    rows = read(("Form", "", row(1, "phone", "name")), ("Guests", "", LIST))

    assert list(rows) == [(2, ["+15551230000", "Ana"])]


def test_cells_left_of_the_header_are_warned_of() -> None:
    left = '<row r="2"><c r="A2"><v>7</v></c><c r="B2"><v>15551230000</v></c></row>'
    rows = read('<row r="1"><c r="B1" t="inlineStr"><is><t>phone</t></is></c></row>' + left)

    assert list(rows) == [(2, ["15551230000"])]
    (warning,) = rows.warnings.found()
    assert (warning.code, warning.rows) == ("cells_left_of_header", [2])


def test_texts_that_stand_in_many_cells_are_bounded_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbook, "MOST_BYTES", 1_000)
    sheet = row(1, "phone", "name") + "".join(row(n, str(n), "x" * 100) for n in range(2, 20))

    with pytest.raises(Refused) as refused:
        list(read(sheet))

    assert refused.value.code == "not_a_csv"


def test_a_total_below_the_list_is_rejected() -> None:
    told, _ = report(read(LIST + row(3, "Total", "1")))

    assert [(reject.row, reject.code) for reject in told.rejects] == [(3, "invalid_phone")]


@pytest.mark.parametrize(
    ("code", "stored", "text"),
    [
        ("00000", "2134", "02134"),
        ("[h]:mm", "1.5", "36:00"),
        ("$#,##0.00", "12.5", "$12.50"),
        ("0%", "0.15", "15%"),
        ("h:mm AM/PM", "0.375", "9:00 AM"),
    ],
)
def test_a_message_says_what_the_spreadsheet_shows(code: str, stored: str, text: str) -> None:
    cells = f'<c r="A2"><v>15551230000</v></c><c r="B2" s="1"><v>{stored}</v></c>'
    sheet = row(1, "phone", "what") + f'<row r="2">{cells}</row>'

    _, (chunk,) = report(read(sheet, styles=formats(code)), template="It is {what}.")

    assert chunk.accepted.bodies == [f"It is {text}."]


def test_an_error_is_no_value_and_no_number() -> None:
    error = '<c r="{}" t="e"><v>#N/A</v></c>'
    sheet = (
        row(1, "phone", "name")
        + f'<row r="2"><c r="A2"><v>15551230000</v></c>{error.format("B2")}</row>'
        + f'<row r="3">{error.format("A3")}</row>'
    )

    told, _ = report(read(sheet), template="Hi {name}")

    assert [(reject.row, reject.code) for reject in told.rejects] == [
        (2, "missing_value"),
        (3, "missing_phone"),
    ]
    assert "#N/A" in told.rejects[0].reason


@pytest.mark.parametrize(
    ("code", "stored", "outcome"),
    [
        ("0.00E+00", "15551230000", "+15551230000"),
        ("General", "15551230000", "+15551230000"),
        ("#,##0", "15551230000", "+15551230000"),
        ("[<=9999999]###\\-####;(###) ###\\-####", "5551230000", "+15551230000"),
        ("General", "1.5551230000123456E+17", "ambiguous_phone"),
        ("0", "155512300001234567", "invalid_phone"),
    ],
)
def test_a_phone_number_keeps_its_digits_or_is_rejected(
    code: str, stored: str, outcome: str
) -> None:
    sheet = row(1, "phone") + f'<row r="2"><c r="A2" s="1"><v>{stored}</v></c></row>'

    told, (chunk,) = report(read(sheet, styles=formats(code)))

    assert (chunk.accepted.phones or [told.rejects[0].code]) == [outcome]
