"""The reject file: opened in a spreadsheet, mended, uploaded again."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ingest import Plan, Reject, ReportBuilder, open_rows, validate, write_rejects
from scheduler.ingest.rejects import guarded, legible, unguarded


def _rejects_of(content, **plan):
    rows = open_rows(io.BytesIO(content.encode()), filename="guests.csv")
    chunks = list(validate(rows, Plan(**plan), report=ReportBuilder(rows.encoding, 1.0)))
    out = io.StringIO(newline="")
    write_rejects(out, rows.header, [reject for chunk in chunks for reject in chunk.rejected])
    return chunks, out.getvalue()


def test_a_reject_file_has_the_rows_own_columns_and_then_why():
    _, written = _rejects_of("name,phone\nAna,1.5551E+10\n")

    header, row = csv.reader(io.StringIO(written))
    assert header == [
        "name", "phone",
        "volley_row", "volley_column", "volley_code", "volley_reason", "volley_fix",
    ]  # fmt: skip
    assert row[:5] == ["Ana", "1.5551E+10", "2", "phone", "ambiguous_phone"]


def test_uploaded_again_unmended_it_is_rejected_for_the_same_reasons():
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


def test_uploaded_again_mended_its_rows_are_accepted():
    _, written = _rejects_of("phone,name\n1.5551E+10,=Ana\n+15551230001,\n", template="Hi {name}")
    mended = written.replace("1.5551E+10", "+15551230000").replace(
        "'+15551230001,", "'+15551230001,Bo"
    )

    (chunk,), _ = _rejects_of(mended, template="Hi {name}")

    assert [row.body for row in chunk.accepted] == ["Hi =Ana", "Hi Bo"]
    assert chunk.accepted[0].fields == {"phone": "+15551230000", "name": "=Ana"}
    assert chunk.rejected == []


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+15551230000", "-5", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", " =1", '"=1', "'=1"],
)
def test_a_cell_a_spreadsheet_might_run_is_guarded(cell):
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Ana", "O'Brien", "'tis", "a=b", "5-3", "5"])
def test_a_harmless_cell_is_left_alone(cell):
    assert guarded(cell) == unguarded(cell) == cell


@given(st.text(st.sampled_from("'\" =+-@\t\rab＝"), max_size=8))
def test_the_guard_comes_off_without_loss(cell):
    assert unguarded(guarded(cell)) == cell


def test_undecodable_bytes_do_not_stop_the_reject_file():
    out = io.StringIO(newline="")

    write_rejects(
        out, ["phone"], [Reject(2, "phone", "\udcff", "bad_encoding", "r", "f", ["\udcff"])]
    )

    assert "\ufffd" in out.getvalue().encode().decode()


def test_what_cannot_be_shown_is_made_legible():
    assert legible("a\x00b\x1b[31m\udcff\nc\u202e") == "a\ufffdb\ufffd[31m\ufffd\nc\ufffd"
