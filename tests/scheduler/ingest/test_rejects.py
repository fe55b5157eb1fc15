"""The reject file: opened in a spreadsheet, mended, uploaded again."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ingest import Chunk, Plan, Reject, ReportBuilder, open_rows, validate, write_rejects
from scheduler.ingest.rejects import guarded, unguarded


def _rejects_of(content: str, **plan: Any) -> tuple[list[Chunk], str]:
    rows = open_rows(io.BytesIO(content.encode()), filename="guests.csv")
    chunks = list(validate(rows, Plan(**plan), report=ReportBuilder(rows.encoding, 1.0)))
    out = io.StringIO(newline="")
    write_rejects(out, rows.header, [reject for chunk in chunks for reject in chunk.rejected])
    return chunks, out.getvalue()


def test_a_reject_file_has_the_rows_own_columns_and_then_why() -> None:
    _, written = _rejects_of("name,phone\nAna,1.5551E+10\n")

    header, row = csv.reader(io.StringIO(written))
    assert header == [
        "name", "phone",
        "volley_row", "volley_column", "volley_value", "volley_code", "volley_reason",
        "volley_fix",
    ]  # fmt: skip
    assert row[:6] == ["Ana", "1.5551E+10", "2", "phone", "1.5551E+10", "ambiguous_phone"]


def test_a_reject_file_may_say_which_file_its_rows_are_from() -> None:
    out = io.StringIO(newline="")
    rejects = [Reject(2, "name", "", "missing_value", "r", "f", ["+15551230000", "", "beyond"])]
    write_rejects(out, ["phone", "name"], rejects, origin="abc123")

    rows = open_rows(io.BytesIO(out.getvalue().encode()), filename="mend.csv")

    assert out.getvalue().splitlines()[0].endswith(",volley_fix,volley_file")
    assert rows.header == ("phone", "name")
    assert list(rows) == [(2, ["+15551230000", "", "beyond"])]
    assert rows.origins == {"abc123"}


def test_uploaded_again_unmended_it_is_rejected_for_the_same_reasons() -> None:
    content = "phone,name\n911,=1+1\n,'@Bo\n+15551230000,A,surplus\n+1555x,-5\n1.5551E+10,\t'x\n"
    (first,), written = _rejects_of(content)

    (second,), again = _rejects_of(written)

    assert [(r.code, r.cells) for r in second.rejected] == [
        (r.code, r.cells) for r in first.rejected
    ]
    assert [r.code for r in first.rejected] == [
        "invalid_phone", "missing_phone", "too_many_columns", "invalid_phone", "ambiguous_phone",
    ]  # fmt: skip
    assert len(again.splitlines()) == len(written.splitlines())


def test_uploaded_again_mended_its_rows_are_accepted() -> None:
    _, written = _rejects_of("phone,name\n1.5551E+10,=Ana\n+15551230001,\n", template="Hi {name}")
    mended = written.replace("1.5551E+10", "+15551230000").replace(
        "'+15551230001,", "'+15551230001,Bo"
    )

    (chunk,), _ = _rejects_of(mended, template="Hi {name}")

    assert [row.body for row in chunk.accepted] == ["Hi =Ana", "Hi Bo"]
    assert chunk.accepted[0].fields == {"phone": "+15551230000", "name": "=Ana"}
    assert chunk.rejected == []


TWICE = "phone,name\n+15551230000,Ana\n+15551230000,Bo\n1.5551E+10,Cy\n"


def _codes(chunks: list[Chunk]) -> list[str]:
    return [reject.code for chunk in chunks for reject in chunk.rejected]


def test_a_duplicate_that_comes_back_unchanged_is_not_texted() -> None:
    _, written = _rejects_of(TWICE)
    mended = written.replace("1.5551E+10,Cy", "+15551230001,Cy")

    (chunk,), again = _rejects_of(mended)
    (third,), _ = _rejects_of(again)

    assert [row.phone for row in chunk.accepted] == ["+15551230001"]
    assert [(r.row, r.column, r.code) for r in chunk.rejected] == [(2, "phone", "duplicate")]
    assert "file it came from" in chunk.rejected[0].reason
    assert chunk.rejected[0].fix == "Leave it out, or correct the number."
    assert _codes([third]) == ["duplicate"]


@pytest.mark.parametrize("same", ["15551230000", "+1 (555) 123-0000", " +15551230000 "])
def test_the_same_number_in_other_writing_is_still_the_duplicate(same: str) -> None:
    _, written = _rejects_of(TWICE)

    chunks, _ = _rejects_of(written.replace("'+15551230000,Bo", f"{same},Bo"))

    assert _codes(chunks) == ["duplicate", "ambiguous_phone"]


def test_a_duplicate_whose_number_was_corrected_is_judged_as_usual() -> None:
    _, written = _rejects_of(TWICE)

    (chunk,), _ = _rejects_of(written.replace("'+15551230000,Bo", "+15551230002,Bo"))

    assert [(row.phone, row.fields["name"]) for row in chunk.accepted] == [("+15551230002", "Bo")]
    assert _codes([chunk]) == ["ambiguous_phone"]


def test_where_a_spreadsheet_spoilt_the_former_number_a_duplicate_is_not_texted() -> None:
    _, written = _rejects_of(TWICE)

    chunks, _ = _rejects_of(written.replace("phone,'+15551230000,dup", "phone,1.55512E+10,dup"))

    assert _codes(chunks) == ["duplicate", "ambiguous_phone"]
    assert "volley_code" in chunks[0].rejected[0].fix


def test_a_duplicate_does_not_stand_in_the_way_of_another_row_of_its_file() -> None:
    _, written = _rejects_of(TWICE)

    (chunk,), _ = _rejects_of(written.replace("1.5551E+10,Cy", "+15551230000,Cy"))

    assert [row.fields["name"] for row in chunk.accepted] == ["Cy"]
    assert _codes([chunk]) == ["duplicate"]


def test_a_duplicate_that_a_spreadsheet_spoilt_as_a_whole_is_unchanged() -> None:
    _, written = _rejects_of(TWICE)

    chunks, _ = _rejects_of(written.replace("'+15551230000", "1.55512E+10"))

    assert _codes(chunks) == ["duplicate", "ambiguous_phone"]


def test_a_reject_file_without_the_former_numbers_is_read_as_before() -> None:
    (chunk,), _ = _rejects_of("phone,volley_code\n+15551230000,duplicate\n")

    assert [row.phone for row in chunk.accepted] == ["+15551230000"]


def test_the_former_value_is_guarded_against_spreadsheets_too() -> None:
    _, written = _rejects_of("phone\n=1+1\n")

    (row,) = csv.DictReader(io.StringIO(written))
    assert row["volley_value"] == "'=1+1"


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+15551230000",
        "-5",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "＝1",
        "＋1",
        " =1",
        '"=1',
        "'=1",
        "\u200b=1",
        "\u00a0=1",
        "\ufeff=1",
        "\u3000+1",
        "\u2009@x",
        "\u00ad-1",
        "\u2060=1",
        "\x00=1",
        "\x0b=1",
        "\x1b=1",
        "\u202e=1",
        "\u2066=1",
        "\u180e=1",
        "\u115f=1",
        "\u3164=1",
        "\u2800=1",
        "\ufe0f=1",
        "\U000e0041=1",
        '\u200d\u200b\u00a0 "=1',
        "﹦1",
        "\u200b﹢1",
    ],
)
def test_a_cell_a_spreadsheet_might_run_is_guarded(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Ana", "O'Brien", "'tis", "a=b", "5-3", "5"])
def test_a_harmless_cell_is_left_alone(cell: str) -> None:
    assert guarded(cell) == unguarded(cell) == cell


@given(
    st.text(st.sampled_from("'\" =+-@\t\rab＝\u200b\u00a0\ufeff\u2066\x00"), max_size=8)
    | st.text(max_size=8)
)
def test_the_guard_comes_off_without_loss(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell


def test_what_begins_with_an_apostrophe_goes_through_a_reject_file_and_back_unchanged() -> None:
    content = "phone,'-note\nx,'-10% off'\ny,-10%\nz,''=1\n"

    (first,), written = _rejects_of(content)
    (second,), _ = _rejects_of(written)

    assert [r.cells[1] for r in second.rejected] == ["'-10% off'", "-10%", "''=1"]
    assert [r.cells for r in second.rejected] == [r.cells for r in first.rejected]
    assert open_rows(io.BytesIO(written.encode()), filename="x").header == ("phone", "'-note")


def test_undecodable_bytes_do_not_stop_the_reject_file() -> None:
    out = io.StringIO(newline="")

    write_rejects(
        out, ["phone"], [Reject(2, "phone", "\udcff", "bad_encoding", "r", "f", ["\udcff"])]
    )

    assert "\ufffd" in out.getvalue().encode().decode()
