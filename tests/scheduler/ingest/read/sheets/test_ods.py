"""An ODS's cells and rows, in the shapes LibreOffice writes them."""

import io

from scheduler.ingest import Reading, Rows, open_rows
from tests.support.workbooks import ods_parts, ods_row, ods_table, packed

HEADER = ods_row("phone", "note")


def read(tables: str, *, styles: str = "", reading: Reading | None = None) -> Rows:
    content = packed(ods_parts(tables, styles=styles))
    return open_rows(io.BytesIO(content), filename="guests.ods", reading=reading or Reading())


def shown(cell: str) -> str:
    """What one cell in XML is read as."""
    row = "<table:table-row><table:table-cell><text:p>1</text:p></table:table-cell>"
    ((_, texts),) = read(ods_table(f"{HEADER}{row}{cell}</table:table-row>"))
    return texts[1]


def cell(text: str, **attributes: str) -> str:
    told = " ".join(f'office:{key.replace("_", "-")}="{v}"' for key, v in attributes.items())
    return f"<table:table-cell {told}>{text}</table:table-cell>"


def test_a_cell_is_read_as_it_is_shown() -> None:
    assert shown(cell("<text:p>02134</text:p>", value_type="float", value="2134")) == "02134"
    assert shown(cell("<text:p>12,50 €</text:p>", value_type="currency", value="12.5")) == "12,50 €"
    assert shown(cell("<text:p>36:00</text:p>", value_type="time", time_value="PT36H")) == "36:00"
    assert shown(cell("<text:p>#N/A</text:p>", value_type="string")) == "#N/A"
    assert shown(cell("<text:p>5. März</text:p>", value_type="date", date_value="x")) == "5. März"


def test_blanks_lines_and_spans_are_those_that_are_shown() -> None:
    assert shown(cell("<text:p>Jo<text:span>sé</text:span><text:s text:c='2'/>B</text:p>")) == (
        "José  B"
    )
    assert shown(cell("<text:p>a</text:p><text:p>b<text:line-break/>c</text:p>")) == "a\nb\nc"
    assert shown(cell("<text:p>a\n   b<text:tab/>c</text:p>")) == "a b\tc"


def test_comments_drawings_and_readings_do_not_stand_in_the_cell() -> None:
    comment = "<office:annotation><text:p>call her</text:p></office:annotation>"
    drawing = "<draw:frame><draw:text-box><text:p>logo</text:p></draw:text-box></draw:frame>"
    ruby = "<text:ruby><text:ruby-base>東</text:ruby-base><text:ruby-text>ト</text:ruby-text>"

    assert shown(cell(f"{comment}<text:p>Ana</text:p>{drawing}")) == "Ana"
    assert shown(cell(f"<text:p>{ruby}</text:ruby>京</text:p>")) == "東京"


def test_no_format_takes_digits_from_what_may_be_a_phone_number() -> None:
    number = {"value_type": "float", "value": "15551230000"}

    assert shown(cell("<text:p>1.56E+10</text:p>", **number)) == "15551230000"
    assert shown(cell("<text:p>+1 555 1230 000</text:p>", **number)) == "+1 555 1230 000"


def test_a_value_without_its_text_is_written_plainly() -> None:
    assert shown(cell("", value_type="float", value="12.5")) == "12.5"
    assert shown(cell("", value_type="string", string_value="Ana")) == "Ana"
    assert shown(cell("", value_type="boolean", boolean_value="true")) == "TRUE"


def test_repeated_cells_and_rows_stand_in_every_place() -> None:
    wide = '<table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>1</text:p>'
    rows = read(
        ods_table(
            HEADER
            + f"{wide}</table:table-cell><table:covered-table-cell/></table:table-row>"
            + ods_row("", attributes='table:number-rows-repeated="3"')
            + ods_row("2", "b", attributes='table:number-rows-repeated="2"')
            + ods_row("", attributes='table:number-rows-repeated="1048570"')
        )
    )

    assert list(rows) == [(2, ["1", "1"]), (6, ["2", "b"]), (7, ["2", "b"])]


def test_hidden_and_filtered_rows_are_left_out_and_counted() -> None:
    table = ods_table(
        HEADER
        + ods_row("1", "a", attributes='table:visibility="collapse"')
        + ods_row("2", "b", attributes='table:visibility="filter"')
        + ods_row("3", "c")
    )

    rows = read(table)
    assert list(rows) == [(4, ["3", "c"])]
    assert rows.hidden_rows == 2
    assert [number for number, _ in read(table, reading=Reading(include_hidden=True))] == [2, 3, 4]


def test_a_hidden_sheet_is_not_read() -> None:
    style = (
        '<style:style style:name="ta2" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    hidden = ods_table(HEADER + ods_row("1", "a"), name="Old", style="ta2")
    tables = hidden + ods_table(HEADER + ods_row("2", "b"))

    rows = read(tables, styles=style)
    assert list(rows) == [(2, ["2", "b"])]
    assert rows.encoding == "ods"
