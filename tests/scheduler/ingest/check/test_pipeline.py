"""Every row accepted, or rejected with its row, column, value, code, reason and fix."""

import io
import random
from collections.abc import Callable
from typing import Any

import pytest

from scheduler.ingest import (
    Accepted,
    AcceptedRows,
    Objection,
    Plan,
    Reject,
    RejectCode,
    ReportBuilder,
    open_rows,
    validate,
)
from shared.errors import Refused


def _validated(
    content: str | bytes,
    *,
    chunk: int = 5000,
    screen: Callable[..., Any] | None = None,
    **plan: Any,
) -> (
    tuple[list[Accepted], list[Any], dict[str, Any]]
    | tuple[list[Accepted], list[Reject], dict[str, Any]]
    | tuple[list[Any], list[Reject], dict[str, Any]]
):
    """Accepted and rejected rows of a file, and its report."""
    raw = content if isinstance(content, bytes) else content.encode()
    rows = open_rows(io.BytesIO(raw), filename="guests.csv")
    plan = Plan(**plan)  # type: ignore[assignment]
    report = ReportBuilder(rows.encoding, plan.rate, plan.smart_encoded)  # type: ignore[attr-defined]
    chunks = list(validate(rows, plan, report=report, chunk=chunk, screen=screen))  # type: ignore[arg-type]
    accepted = [row for chunk in chunks for row in chunk.accepted]
    rejected = [row for chunk in chunks for row in chunk.rejected]
    return accepted, rejected, report.report().as_dict()


def test_a_good_row_becomes_a_text() -> None:
    accepted, rejected, _ = _validated(
        "First Name,phone,city\n Ana ,(555) 123-0000,Rome\n", template="Hi {first_name}!"
    )

    assert rejected == []
    assert accepted == [
        (2, "+15551230000", {"First Name": "Ana", "phone": "+15551230000", "city": "Rome"},
         "Hi Ana!", "GSM-7", 1, ())
    ]  # fmt: skip


UGLY = """phone;name;note
'+15551230000;José;mended quote
15551230001.0;Bo;mended decimal
1.5551230002E+10;Cy;"mended exponent, on
two lines"
1.5551E+10;Di;ambiguous
+1 555 123 0000;Al;duplicate
;Nobody;missing

911;Police;invalid
+15551230003;;no name
+15551230004;Max;extra;surplus
+15551230005
+15551230006;"Open;quote
+15551230007;B\x07ell;control
+15551230003;Late;good after all
+15551230008;Fy;trailing;;
+15551230009;#REF!;error value
"""


def test_every_bad_row_is_told_by_row_column_value_and_code() -> None:
    accepted, rejected, report = _validated(UGLY, template="Hi {name}")

    assert [row.row for row in accepted] == [2, 3, 4, 15, 16]
    assert [(r.row, r.column, r.value, r.code) for r in rejected] == [
        (5, "phone", "1.5551E+10", "ambiguous_phone"),
        (6, "phone", "+1 555 123 0000", "duplicate"),
        (7, "phone", "", "missing_phone"),
        (9, "phone", "911", "invalid_phone"),
        (10, "name", "", "missing_value"),
        (11, "", "", "too_many_columns"),
        (12, "", "", "too_few_columns"),
        (13, "", "", "too_few_columns"),
        (14, "name", "B\x07ell", "control_character"),
        (17, "name", "#REF!", "missing_value"),
    ]
    assert all(reject.reason and reject.fix for reject in rejected)
    assert (report["rows"], report["accepted"], report["rejected"]) == (15, 5, 10)
    assert report["duplicates"] == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_verdict_does_not_depend_on_the_encoding(encoding: str) -> None:
    plain = _validated(UGLY, template="Hi {name}")

    accepted, rejected, _ = _validated(UGLY.encode(encoding), template="Hi {name}")

    assert (accepted, rejected) == plain[:2]


def test_a_duplicate_names_the_row_it_repeats() -> None:
    _, rejected, _ = _validated("phone\n+15551230000\n+15551230001\n15551230000\n")

    assert (rejected[0].row, rejected[0].code) == (4, "duplicate")
    assert "row 2" in rejected[0].reason


def test_a_row_rejected_for_another_fault_does_not_block_a_later_good_one() -> None:
    accepted, rejected, _ = _validated(
        "phone,name\n+15551230000,\n+15551230000,Ana\n+15551230000,Bo\n", template="Hi {name}"
    )

    assert [row.row for row in accepted] == [3]
    assert [(r.row, r.code) for r in rejected] == [(2, "missing_value"), (4, "duplicate")]


@pytest.mark.parametrize(
    "nothing", ["NULL", "null", "None", "nan", "NaN", " NULL ", "#N/A", "n/a", "N/A", "\\N", "<NA>"]
)
def test_what_programs_write_for_nothing_is_a_missing_value(nothing: str) -> None:
    content = f"phone,name\n+15551230000,{nothing}\n"

    accepted, rejected, _ = _validated(content, template="Hi {name}")
    unused, _, _ = _validated(content, template="Hi you")

    assert accepted == []
    assert (rejected[0].code, rejected[0].value.strip()) == ("missing_value", nothing.strip())
    assert nothing.strip() in rejected[0].reason
    assert [row.body for row in unused] == ["Hi you"]


@pytest.mark.parametrize("name", ["Null", "Nan", "none", "NA", "Mr NULL"])
def test_a_name_or_a_word_that_resembles_nothing_is_kept(name: str) -> None:
    accepted, _, _ = _validated(f"phone,name\n+15551230000,{name}\n", template="Hi {name}")

    assert [row.body for row in accepted] == [f"Hi {name}"]


def test_one_bad_byte_costs_one_row() -> None:
    good = "phone,name\n+15551230000,José\n".encode()

    accepted, rejected, report = _validated(good + b"+15551230001,Zo\xeb\n+15551230002,Al\n")

    assert [row.row for row in accepted] == [2, 4]
    assert [(r.row, r.column, r.code) for r in rejected] == [(3, "name", "bad_encoding")]
    assert report["encoding"] == "utf-8"
    assert report["rejects"][0]["value"] == "Zo\ufffd"


def test_a_character_already_lost_is_not_sent_as_a_question_mark() -> None:
    _, rejected, _ = _validated("phone,name\n+15551230000,Jos\ufffd\n")

    assert rejected[0].code == "bad_encoding"


def test_windows_text_is_read_as_such() -> None:
    accepted, _, report = _validated("phone,name\n+15551230000,Zoë’s\n".encode("cp1252"))

    assert accepted[0].fields["name"] == "Zoë’s"
    assert report["encoding"] == "windows-1252"


def test_without_a_message_the_words_come_later() -> None:
    accepted, _, report = _validated("phone\n+15551230000\n")

    assert (accepted[0].body, accepted[0].encoding, accepted[0].segments) == (None, "", 0)
    assert report["segments"] == {"total": 0, "min": 0, "max": 0}


def test_a_column_without_a_name_may_hold_anything_and_is_left_out() -> None:
    accepted, _, _ = _validated("phone,,name\n+15551230000,junk,Ana\n")

    assert accepted[0].fields == {"phone": "+15551230000", "name": "Ana"}


def test_a_long_text_is_cut_into_parts_and_every_part_is_billed() -> None:
    accepted, _, report = _validated(f"phone,bio\n+15551230000,{'word ' * 700}\n", template="{bio}")

    row = accepted[0]
    ends = [*row.cuts, len(row.body)]  # type: ignore[arg-type]
    parts = [row.body[start:end] for start, end in zip([0, *row.cuts], ends, strict=True)]  # type: ignore[index]
    assert len(parts) == 3
    assert all(0 < len(part) <= 1600 for part in parts)
    assert row.segments == report["segments"]["total"] == sum(-(-len(p) // 153) for p in parts)


def test_a_text_of_more_than_ten_parts_is_rejected() -> None:
    long = "x" * 70 * 11
    text = f"phone,bio,name\n+15551230000,{long},Ana\n+15551230001,short,Bo\n"

    accepted, rejected, _ = _validated(text, template="{name} {bio}", split_at=70)

    assert [row.row for row in accepted] == [3]
    assert (rejected[0].row, rejected[0].column, rejected[0].code) == (2, "bio", "too_long")


def test_the_report_shows_what_forces_ucs2_most_frequent_first() -> None:
    lines = [f"+1555123{n:04d},{'“Ana” 🎉' if n < 3 else '🎉'}\n" for n in range(10)]

    _, _, report = _validated("phone,name\n" + "".join(lines), template="Hi {name}", rate=4)

    assert report["ucs2_characters"][0] == "🎉"
    assert set(report["ucs2_characters"]) == {"🎉", "“", "”"}
    assert report["eta_seconds"] == 2.5
    assert report["segments"] == {"total": 10, "min": 1, "max": 1}


def test_smart_encoding_is_counted_as_twilio_will_send_it() -> None:
    text = "phone,name\n+15551230000,Ana\n+15551230001,🎉\n"
    message = "“Dear” {name} " + "x" * 100

    plain = _validated(text, template=message)[2]
    smart = _validated(text, template=message, smart_encoded=True)[2]

    assert plain["segments"]["total"] == 4
    assert smart["segments"]["total"] == 3
    assert smart["ucs2_characters"] == ["🎉"]


def test_the_report_has_exactly_the_fields_of_the_interface() -> None:
    report = _validated("phone\n+15551230000\nx\n")[2]

    assert list(report) == [
        "rows", "accepted", "rejected", "duplicates", "hidden_rows", "warnings", "encoding",
        "delimiter", "segments", "ucs2_characters", "eta_seconds", "rejects",
    ]  # fmt: skip
    assert list(report["rejects"][0]) == ["row", "column", "value", "code", "reason", "fix"]


def test_the_report_shows_the_first_hundred_rejects_and_counts_all() -> None:
    report = _validated("phone\n" + "x\n" * 250)[2]

    assert (len(report["rejects"]), report["rejected"]) == (100, 250)
    assert report["rejects"][-1]["row"] == 101


def test_rows_come_in_chunks_that_tell_how_far_they_go() -> None:
    rows = open_rows(
        io.BytesIO(b"phone\n" + b"".join(b"+1555123%04d\n" % n for n in range(25))), filename="x"
    )

    chunks = list(validate(rows, Plan(), report=ReportBuilder("utf-8", 1.0), chunk=10))

    assert [len(chunk.accepted) for chunk in chunks] == [10, 10, 5]
    assert [chunk.through for chunk in chunks] == [11, 21, 26]


def test_a_screen_turns_accepted_rows_away() -> None:
    def suppressed(rows: AcceptedRows) -> dict[int, Objection]:
        objection = Objection(RejectCode.SUPPRESSED, "It opted out.", "Leave it out.")
        return {row.row: objection for row in rows if row.phone == "+15551230001"}

    accepted, rejected, report = _validated(
        "phone,,name\nx,,Al\n+15551230001,,Bo\n+15551230002,,Cy\n", screen=suppressed
    )

    assert [row.row for row in accepted] == [4]
    assert [(r.row, r.code) for r in rejected] == [(2, "invalid_phone"), (3, "suppressed")]
    assert rejected[1].cells == ["+15551230001", "", "Bo"]
    assert (report["accepted"], report["rejected"]) == (1, 2)


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ({"template": "Hi {nmae}"}, "unknown_placeholder"),
        ({"template": "Hi {name"}, "unbalanced_brace"),
        ({"phone_column": "fax"}, "unknown_column"),
        ({"timezone_column": "tz"}, "unknown_column"),
        ({"region": "XX"}, "unknown_region"),
        ({"split_at": 0}, "bad_split_at"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_before_the_first_row(
    plan: dict[str, Any], code: str
) -> None:
    rows = open_rows(io.BytesIO(b"phone,name\n+15551230000,Ana\n"), filename="x")

    with pytest.raises(Refused) as refused:
        validate(rows, Plan(**plan), report=ReportBuilder("utf-8", 1.0))

    assert refused.value.code == code


def test_no_row_is_lost_or_counted_twice_whatever_is_in_the_file() -> None:
    dice = random.Random(7)
    lines = [
        dice.choice(["+1555123%04d,Ana", "%d,Bo", '+1555123%04d,"C\ny"', '"+1555124%04d,D', ",,%d"])
        % dice.randrange(3000)
        for _ in range(3000)
    ]

    accepted, rejected, report = _validated("phone,name\n" + "\n".join(lines), template="{name}")

    numbers = [row.row for row in accepted] + [row.row for row in rejected]
    assert len(set(numbers)) == len(numbers) == report["rows"]
    assert len({row.phone for row in accepted}) == len(accepted)
    assert all(row.body == row.fields["name"] for row in accepted)


def test_an_argentine_handset_is_texted_once_with_and_without_its_9() -> None:
    accepted, rejected, report = _validated(
        "phone\n+54 9 11 2345-6789\n+54 11 2345-6789\n+54 11 2345-6780\n+5491123456780\n"
    )

    assert [row.phone for row in accepted] == ["+5491123456789", "+541123456780"]
    assert [(r.row, r.code) for r in rejected] == [(3, "duplicate"), (5, "duplicate")]
    assert report["duplicates"] == 2


def test_numbers_that_no_text_reaches_have_a_code_of_their_own() -> None:
    _, rejected, _ = _validated("phone\n+19002345678\n+881612345678\n")

    assert [(r.row, r.code) for r in rejected] == [(2, "premium_number"), (3, "premium_number")]


@pytest.mark.parametrize("region", ["UK", "uk", "gb"])
def test_a_region_goes_by_the_name_that_people_use(region: str) -> None:
    accepted, _, _ = _validated("phone\n07400 123456\n", region=region)

    assert [row.phone for row in accepted] == ["+447400123456"]


def test_a_column_of_calling_codes_is_used_and_what_it_contradicts_is_told() -> None:
    accepted, rejected, _ = _validated(
        "country_code,phone\n44,07400 123456\n49,0171 3369876\n1,+447400123457\n999,2025550123\n"
    )

    assert [row.phone for row in accepted] == ["+447400123456", "+491713369876"]
    assert [(r.row, r.column, r.code) for r in rejected] == [
        (4, "phone", "ambiguous_phone"),
        (5, "phone", "invalid_phone"),
    ]
    assert "“country_code” says" in rejected[0].reason


TWINS = "phone,Note,Name,note\n+15551230000,a,Ana,b\n"


def test_twin_columns_that_nobody_asks_for_do_no_harm_and_are_both_kept() -> None:
    accepted, rejected, _ = _validated(TWINS.replace("note", "Note"), template="Hi {name}")

    assert rejected == []
    assert accepted[0].body == "Hi Ana"
    assert accepted[0].fields == {
        "phone": "+15551230000", "Note": "a", "Name": "Ana", "Note (2)": "b",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "plan"),
    [
        (TWINS.replace("note", "Note"), {"template": "Hi {note}"}),
        (TWINS, {"template": "Hi {NOTE}"}),
        (TWINS.replace("note", "Note"), {"timezone_column": "note"}),
        ("a,a,b\n+15551230000,x,y\n", {"phone_column": "a"}),
        ("phone,Phone,b\n+15551230000,x,y\n", {}),
    ],
)
def test_twin_columns_that_are_asked_for_are_refused(content: str, plan: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        _validated(content, **plan)  # type: ignore[arg-type]

    assert refused.value.code == "duplicate_columns"


def test_of_two_columns_that_differ_in_case_the_one_written_exactly_is_taken() -> None:
    accepted, _, _ = _validated(TWINS, template="{note}{Note}")

    assert accepted[0].body == "ba"
