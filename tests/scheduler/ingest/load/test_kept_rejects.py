"""The table keeps the first rejects; the report counts and the reject file has them all."""

import csv
import io
from collections import Counter
from typing import Any

import pytest

from scheduler.campaigns import export, status
from scheduler.campaigns.reject_file import CutShort, read_apart
from scheduler.ingest import uploads
from scheduler.ingest.load import importer as loading
from scheduler.ingest.load import kept_rejects
from scheduler.ingest.load.importer import load
from scheduler.repair import sweeps
from shared.views.reports import Report
from tests.support import factories

CHUNK, MOST = 5, 7


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five rows, and seven rejects of a kind are kept."""
    monkeypatch.setattr(loading, "CHUNK", CHUNK)
    monkeypatch.setattr(kept_rejects, "MOST", MOST)


def draft(content: bytes, **settings: object) -> int:
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [content])
    return factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id,
        settings={"template": "Hi {name}"} | settings,
    )  # fmt: skip


def file(*numbers: str) -> bytes:
    lines = [f"=guest {i},{number}" for i, number in enumerate(numbers)]
    return "\n".join(["name,phone", *lines, ""]).encode()


GOOD = [f"+120255501{n:02d}" for n in range(20)]
BAD = [f"12{n}" for n in range(20)]


def table() -> list[Any]:
    return factories.rows('SELECT "row", code FROM reject ORDER BY "row"')


def exported(campaign_id: int) -> list[dict[str, str]]:
    """The reject file's rows."""
    written = "".join(export.rejects_csv(campaign_id))
    assert written.startswith("\ufeffname,phone,volley_row,")
    return list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff"))))


def told(campaign_id: int) -> list[tuple[int, str]]:
    return [(int(row["volley_row"]), row["volley_code"]) for row in exported(campaign_id)]


def report(campaign_id: int) -> Report:
    found = status.campaign(campaign_id).report
    assert found is not None
    return found


def chunks() -> int:
    return factories.one("SELECT count(*) AS n FROM upload_chunk").n


def stay_the_same(
    campaign_id: int, monkeypatch: pytest.MonkeyPatch, content: bytes, **settings: object
) -> bool:
    """What the reject file would say if everything were kept."""
    with monkeypatch.context() as patch:
        patch.setattr(kept_rejects, "MOST", 10_000)
        whole = draft(content, **settings)
        load(whole)
    rows = [
        {name: cell for name, cell in row.items() if name != "volley_file"}
        for row in exported(whole)
    ]
    return rows == [
        {name: cell for name, cell in row.items() if name != "volley_file"}
        for row in exported(campaign_id)
    ]


def test_few_rejects_are_all_kept_and_the_file_is_dropped(database: str) -> None:
    made = draft(file(*GOOD, *BAD[:MOST], *GOOD[:MOST]))

    load(made)

    assert len(table()) == 2 * MOST
    assert (chunks(), told(made)) == (0, table())


def test_of_many_the_first_are_kept_and_the_reject_file_has_all(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file(*GOOD, *BAD, *GOOD[:3])
    made = draft(content)

    load(made)

    assert table() == [(22 + n, "invalid_phone") for n in range(MOST)] + [
        (42 + n, "duplicate") for n in range(3)
    ]
    assert (chunks(), report(made).rejected, report(made).duplicates) == (1, 23, 3)
    assert [row for row, _ in told(made)] == list(range(22, 45))
    assert stay_the_same(made, monkeypatch, content)


def test_duplicates_push_out_no_other_code(database: str) -> None:
    made = draft(file(GOOD[0], *GOOD[:1] * 40, *BAD[:MOST]))

    load(made)

    assert Counter(code for _, code in table()) == {"duplicate": MOST, "invalid_phone": MOST}
    assert Counter(code for _, code in told(made)) == {"duplicate": 40, "invalid_phone": MOST}


def test_what_our_own_lists_rejected_is_kept_however_much_and_told_as_it_was(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in GOOD:
        factories.change("INSERT INTO suppression (phone, source) VALUES (:n, 'test')", n=number)
    content = file(*BAD[:10], *GOOD, "+12025550199", *GOOD)
    made = draft(content)
    load(made)
    before = exported(made)

    factories.change("DELETE FROM suppression")
    factories.change("INSERT INTO suppression (phone, source) VALUES ('+12025550199', 'test')")

    counted = Counter(code for _, code in told(made))
    assert exported(made) == before
    assert counted == {"suppressed": 20, "invalid_phone": 10, "duplicate": 20}
    assert counted.total() == report(made).rejected
    assert Counter(code for _, code in table())["suppressed"] == 20


def test_an_import_that_gave_way_keeps_and_counts_the_same(database: str) -> None:
    content = file(*BAD, *GOOD, *BAD, *GOOD)
    made = draft(content)
    factories.change("INSERT INTO suppression (phone, source) VALUES (:n, 'test')", n=GOOD[0])
    for _ in range(7):
        _one_chunk(made)
    factories.change("DELETE FROM suppression")  # what was decided stays so
    _one_chunk(made)

    load(made)

    counted = Counter(code for _, code in told(made))
    assert counted == {"invalid_phone": 40, "suppressed": 1, "duplicate": 20}
    assert (report(made).accepted, report(made).rejected) == (19, 61)
    assert Counter(code for _, code in table()) == {
        "invalid_phone": MOST, "suppressed": 1, "duplicate": MOST,
    }  # fmt: skip


def _one_chunk(made: int) -> None:
    """An import that gives way when it has stored one more chunk."""

    class OneMore:
        def is_over(self, through: int, *, since: int) -> bool:
            return through > since + CHUNK + 1

    load(made, OneMore())  # type: ignore[arg-type]
    factories.change("UPDATE upload SET lease_until = now() - interval '1 s' WHERE header IS NULL")


def test_a_row_that_a_newer_version_judges_otherwise_is_neither_lost_nor_texted_twice(
    database: str,
) -> None:
    made = draft(file(*BAD, *GOOD))
    load(made)
    factories.change("DELETE FROM recipient WHERE row = 25")  # good now, was rejected then
    factories.change(  # bad now, was accepted then
        "INSERT INTO recipient (id, campaign_id, row, phone, country, fields) "
        "VALUES (9999999, :id, 20, '+12025550188', 1, '{}')", id=made,
    )  # fmt: skip

    codes = dict(told(made))

    assert codes.pop(25) == "left_out"
    assert list(codes) == [row for row in range(2, 22) if row != 20]


def test_a_file_that_cannot_be_read_leaves_no_bytes_behind(database: str) -> None:
    made = draft(b"PK\x03\x04 no workbook")

    with pytest.raises(Exception, match="workbook"):
        load(made)

    assert chunks() == 0


def test_a_campaign_cancelled_before_its_import_leaves_no_bytes_and_another_keeps_its_own(
    database: str,
) -> None:
    kept_rows, cancelled, waits = draft(file(*BAD)), draft(file(*GOOD)), draft(file(*GOOD))
    load(kept_rows)
    factories.change(
        "UPDATE campaign SET status = 'cancelled' WHERE id IN (:a, :b)", a=kept_rows, b=cancelled
    )

    sweeps.forget()

    assert chunks() == 2
    assert len(told(kept_rows)) == 20
    assert load(waits)


def test_the_reject_file_of_kept_rows_can_be_read_twice_and_in_pieces(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PAGE", 3)
    made = draft(file(*BAD))
    load(made)

    assert len(told(made)) == 20
    assert told(made) == told(made)


def test_the_api_has_the_stored_file_read_in_a_process_of_its_own(database: str) -> None:
    campaign_id = draft(file(*BAD))
    load(campaign_id)

    assert export.rereads_file(campaign_id)
    assert b"".join(read_apart(campaign_id)).decode() == "".join(export.rejects_csv(campaign_id))


def test_a_reject_file_that_could_not_be_read_to_its_end_is_not_taken_for_whole(
    database: str,
) -> None:
    with pytest.raises(CutShort):
        list(read_apart(404))
