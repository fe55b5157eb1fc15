"""A quotation mark typed by mistake swallows rows: the record is rejected, nobody in it texted."""

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.ingest import (
    Accepted,
    Plan,
    Reading,
    Reject,
    ReportBuilder,
    Rows,
    open_rows,
    validate,
    write_rejects,
)
from scheduler.ingest.read import delimited
from tests.scheduler.ingest.read.test_rows import workbook

FILE = """phone,name,city
+15552000000,Al,Reno
+15552000001,"Ana,Reno
+15552000002,Bo,Reno
+15552000003,Cy 6",Reno
+15552000004,Di,Reno
"""


def _validated(
    content: str | bytes, *, plan: Plan | None = None, **reading: Reading
) -> (
    tuple[Rows, list[Accepted], list[Reject]]
    | tuple[Rows, list[Accepted], list[Any]]
    | tuple[Rows, list[Any], list[Reject]]
):
    raw = content if isinstance(content, bytes) else content.encode()
    rows = open_rows(io.BytesIO(raw), filename="guests.csv", **reading)
    report = ReportBuilder.of(rows, rate=1.0)
    chunks = list(validate(rows, plan or Plan(template="Hi {name}"), report=report))
    accepted = [row for chunk in chunks for row in chunk.accepted]
    return rows, accepted, [reject for chunk in chunks for reject in chunk.rejected]


def _texted(
    content: str, **plan: Any
) -> tuple[list[str], list[tuple[int, str]]] | tuple[list[str], list[Any]]:
    _, accepted, rejected = _validated(content, plan=Plan(**plan) if plan else None)
    return [row.phone[-1] for row in accepted], [(r.row, r.code) for r in rejected]


def test_rows_that_a_quotation_mark_swallowed_are_rejected_with_where_it_opened_and_closed() -> (
    None
):
    _, accepted, rejected = _validated(FILE)

    assert [row.body for row in accepted] == ["Hi Al", "Hi Di"]
    (reject,) = rejected
    assert (reject.row, reject.column, reject.code) == (3, "name", "open_quote")
    assert reject.value == "Ana,Reno ⏎ +15552000002,Bo,Reno ⏎ +15552000003,Cy 6"
    assert "opens the cell in line 3 and the next one closes it in line 5" in reject.reason
    assert "3 lines" in reject.reason
    assert "line 3" in reject.fix


def test_lines_are_those_of_the_file_whatever_stands_before() -> None:
    before = 'sep=,\n\nphone,name,"city\nor town"\n+15552000008,"two\r\nlines",Reno\n\n'

    _, _, (reject,) = _validated(before + FILE.partition("\n")[2])

    assert (reject.row, reject.code) == (6, "open_quote")
    assert "in line 9 and the next one closes it in line 11" in reject.reason


@pytest.mark.parametrize("piece", [1, 40, 100_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_is_the_same_with_every_delimiter_line_end_and_size_of_block(
    monkeypatch: pytest.MonkeyPatch, delimiter: str, end: str, piece: int
) -> None:
    monkeypatch.setattr(delimited, "_PIECE", piece)

    texted = _texted(FILE.replace(",", delimiter).replace("\n", end))

    assert texted == (["0", "4"], [(3, "open_quote")])


@pytest.mark.parametrize(
    "rows",
    [
        '"Ana,+15552000001,Reno\nBo,+15552000002,Reno\nCy 6",+15552000003,Reno\n',
        'Ana,+15552000001,"Reno\nBo,+15552000002,Reno\nCy,+15552000003,Reno 6"\n',
        '"Ana,+15552000001,Reno\nBo 6",+15552000002,Reno\n',
        'Ana,+15552000001,"Reno\nBo,+15552000002,6"\n',
        '"Doe, Ann",+15552000001,"Reno\n""Bo"",""+15552000002"",Reno\nCy,+15552000003,6"\n',
        'Ana,"+15552000001,Reno\nBo,""+1 (555) 200-0002"",Reno\nCy,+15552000003 6",Reno\n',
        'Ana,x,"Reno\nBo,=""+15552000002"",Reno\nCy,+15552000003,6"\n',
        'Ana,+15552000001,"Reno\n\nBo,555.200.0002,a,b,Reno\nCy,,6"\n',
    ],
)
def test_wherever_the_phone_column_is_and_however_its_numbers_are_written(rows: str) -> None:
    texted, rejected = _texted(f"name,phone,city\n{rows}Di,+15552000004,Reno\n")

    assert (texted, rejected) == (["4"], [(2, "open_quote")])


def test_a_record_that_has_too_few_cells_because_it_swallowed_rows_says_so() -> None:
    content = 'phone,name,city\n+15552000001,"Ana,Reno\n+15552000002,Bo,"\n+15552000003,Cy,Reno\n'

    assert _texted(content) == (["3"], [(2, "open_quote")])


@pytest.mark.parametrize(
    "rows",
    [
        '+15552000001,Ana,"12 Main St\nApt 4, 2nd floor\nReno, NV 89501"\n',
        'Ana,+15552000001,"12 Main St, Apt 4\nReno, NV 89501, USA"\n',
        '+15552000001,Ana,"Called 2024-05-01\n2024-05-02, no answer, again\n+15552000009"\n',
        '+15552000001,"Ana, the\nfirst, that is",Reno\n',
        '+15552000001,"Ana\n(call +15552000009, then)",Reno\n',
        '+15552000001,"","\n"\n',
    ],
)
def test_notes_and_addresses_of_several_lines_are_no_rows(rows: str) -> None:
    header = "phone,name,note" if rows.startswith("+") else "name,phone,note"

    texted, rejected = _texted(f"{header}\n{rows}", template="Hi")

    assert (texted, rejected) == (["1"], [])


def test_the_number_behind_a_note_of_several_lines_is_the_rows_own() -> None:
    content = 'name,note,phone\nAna,"one\ntwo, three",+15552000001\nBo,"a, b\nc",+15552000002\n'

    assert _texted(content) == (["1", "2"], [])


def test_in_a_file_of_one_column_too() -> None:
    assert _texted('phone\n"+15552000001\n+15552000002"\n+15552000003\n', template="Hi") == (
        ["3"],
        [(2, "open_quote")],
    )


def test_a_quotation_mark_that_is_closed_thousands_of_lines_on_costs_its_own_row() -> None:
    between = "".join(f"+1555200{number:04d},Bo,Reno\n" for number in range(2, 9000))
    content = f'phone,name,city\n+15552000001,"Ana,Reno\n{between}+15552009999,Cy 6",Reno\n'

    _, accepted, rejected = _validated(content)

    assert [(r.row, r.column, r.code) for r in rejected] == [(2, "", "too_few_columns")]
    assert len({row.phone for row in accepted}) == 8999
    assert all("\n" not in row.fields["name"] for row in accepted)


@pytest.mark.parametrize("lines", [10, 900, 2500])
def test_a_mark_opened_deep_in_a_file_texts_nobody_with_somebody_elses_row(lines: int) -> None:
    good = "".join(f"+1555300{number:04d},Al,Reno\n" for number in range(9000))
    inside = "".join(f"+1555200{number:04d},Bo,Reno\n" for number in range(2, lines))
    content = f'phone,name,city\n{good}+15552000001,"Ana,Reno\n{inside}+15552009999,Cy 6",Reno\n'

    _, accepted, rejected = _validated(content)

    (reject,) = rejected
    assert (reject.row, reject.cells[0]) == (9002, "+15552000001")
    assert all(row.body in ("Hi Al", "Hi Bo", 'Hi Cy 6"') for row in accepted)


def test_a_workbooks_cell_may_hold_rows_too() -> None:
    cells = {
        "A1": "phone", "B1": "name", "A2": "+15552000001",
        "B2": "Ana\n+15552000002,Bo\n+15552000003,Cy", "A3": "+15552000004", "B3": "Di",
    }  # fmt: skip

    _, accepted, (reject,) = _validated(workbook(cells))

    assert [row.phone for row in accepted] == ["+15552000004"]
    assert (reject.row, reject.column, reject.code) == (2, "name", "open_quote")
    assert "3 lines" in reject.reason
    assert "row of their own" in reject.fix


_NAMES = st.sampled_from(
    ["Ana", '"Bo', 'Cy 6"', '"Di"', '"Ed" Li', '5" Fy', '"', '""', '"Gi, Jr"', "", '"Hu""', "O'N"]
)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.tuples(_NAMES, _NAMES), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.permutations([0, 1, 2]),
    st.integers(1, 80),
)
def test_wherever_marks_are_typed_nobodys_text_holds_somebody_else_and_nobody_is_lost(
    people: list[tuple[str, str]], delimiter: str, end: str, order: list[int], piece: int
) -> None:
    lines = [["phone", "name", "city"]]
    lines += [[f"+155520000{n:02d}", name, city] for n, (name, city) in enumerate(people)]
    content = end.join(delimiter.join(line[i] for i in order) for line in lines) + end

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_PIECE", piece)
        _, accepted, rejected = _validated(
            content, plan=Plan(template="Hi"), reading=Reading(delimiter=delimiter)
        )

    texted = [row.phone for row in accepted]
    assert len(set(texted)) == len(texted)
    for row in accepted:
        held = "\0".join(row.fields.values())
        assert _numbers(held) == {row.phone}
    listed = "\0".join("\0".join(reject.cells) for reject in rejected)
    assert _numbers(listed) | set(texted) == {line[0] for line in lines[1:]}


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\+155520000\d\d", text))


def _reject_file(content: str) -> tuple[str, list[Reject]]:
    rows, _, rejected = _validated(content)
    out = io.StringIO(newline="")
    write_rejects(out, rows.header, rejected, origin="abc")
    return out.getvalue(), rejected


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_swallowed_rows_come_back_in_the_reject_file_unharmed_and_are_rejected_again(
    delimiter: str,
) -> None:
    written, first = _reject_file(FILE.replace(",", delimiter))

    _, accepted, again = _validated(written)

    assert accepted == []
    assert [(r.code, r.cells) for r in again] == [("open_quote", first[0].cells)]


def test_mended_in_the_reject_file_each_of_the_swallowed_is_a_row_of_its_own() -> None:
    written, _ = _reject_file(FILE)
    mended = written.replace("Ana,Reno\n", 'Ana",Reno\n').replace('Cy 6"', "Cy 6", 1)

    rows, accepted, rejected = _validated(mended)

    assert rejected == []
    assert [row.body for row in accepted] == ["Hi Ana", "Hi Bo", "Hi Cy 6"]
    assert rows.origins == {"abc"}  # by which those who were texted already are found


def test_the_report_lists_it_like_any_reject() -> None:
    rows = open_rows(io.BytesIO(FILE.encode()), filename="guests.csv")
    report = ReportBuilder.of(rows, rate=1.0)
    list(validate(rows, Plan(template="Hi {name}"), report=report))

    (shown,) = json.loads(json.dumps(report.report().as_dict()))["rejects"]
    assert (shown["row"], shown["code"], shown["column"]) == (3, "open_quote", "name")
    assert "+15552000003" in shown["value"]
