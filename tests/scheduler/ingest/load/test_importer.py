"""A campaign's file in the ledger: whole, once, dealt out fairly, whatever interrupts it."""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.campaigns import export, status
from scheduler.ingest import Reject, uploads, waiting_imports, write_rejects
from scheduler.ingest.load import importer as loading
from scheduler.ingest.load.chunk_writer import Store
from scheduler.ingest.load.importer import Dealer, load
from scheduler.ingest.uploads import LeaseLost
from shared.db.session import transaction
from shared.errors import Refused
from tests.support import factories
from tests.support.ledger import Waits

ROWS = 23


class Killed(Exception):
    """The importer's process dies here."""


def guests(rows: int = ROWS, bad: tuple[Any, ...] | set[int] = ()) -> bytes:
    """A file of that many guests; the numbers in `bad` cannot be dialled. Rows begin at 2."""
    lines = [f"guest {i},{'12' if i in bad else f'+1202555{i:04d}'}" for i in range(rows)]
    return "\n".join(["name,phone", *lines, ""]).encode()


def draft(
    content: bytes, *, agents: list[int] | None = None, mode: str = "direct", **settings: Any
) -> int:
    """A draft campaign with that file; its id."""
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [content[i : i + 100] for i in range(0, len(content), 100)])
    return factories.campaign(
        *(agents or [factories.agent()]), status="draft", upload_id=upload_id, mode=mode,
        settings={"template": "Hi {name}"} | settings,
    )  # fmt: skip


def lease_ran_out() -> None:
    factories.change("UPDATE upload SET lease_until = now() - interval '1 s'")


def loaded() -> list[Any]:
    return factories.rows(
        'SELECT r."row", r.phone, m.body, m.status, m.agent_key FROM recipient r '
        'JOIN message m ON m.recipient_id = r.id ORDER BY r."row"'
    )


def campaign() -> Any:
    return factories.one("SELECT * FROM campaign")


def test_every_accepted_row_becomes_a_recipient_with_frozen_words(database: str) -> None:
    made = draft(guests(3))

    assert load(made)

    found = factories.one(
        "SELECT m.*, r.phone, r.country, r.fields FROM message m "
        "JOIN recipient r ON r.id = m.recipient_id WHERE r.row = 3"
    )
    assert [row.row for row in loaded()] == [2, 3, 4]
    assert (found.body, found.encoding, found.segments) == ("Hi guest 1", "GSM-7", 1)
    assert (found.status, found.due_at is None, found.cuts) == ("ready", False, [])
    assert (found.phone, found.country, found.fields["name"]) == ("+12025550001", 1, "guest 1")
    assert (campaign().status, campaign().report["accepted"]) == ("ready", 3)


def test_rejected_rows_are_kept_with_their_reason_and_their_cells(database: str) -> None:
    load(draft(guests(5, bad={1, 3})))

    rejects = factories.rows('SELECT "row", code, cells FROM reject ORDER BY "row"')
    assert [(r.row, r.code) for r in rejects] == [(3, "invalid_phone"), (5, "invalid_phone")]
    assert rejects[0].cells == ["guest 1", "12"]
    assert [row.row for row in loaded()] == [2, 4, 6]


def test_in_agent_mode_recipients_wait_for_their_words(database: str) -> None:
    load(draft(guests(2), mode="agent"))

    found = factories.rows("SELECT status, compose_at IS NULL AS none, body FROM message")
    assert found == [("planned", False, None)] * 2


def test_long_texts_are_cut_into_parts(database: str) -> None:
    load(draft(guests(1), template="Hi {name}, " + "all the words " * 12, split_at=70))

    found = factories.one("SELECT cuts, body, segments FROM message")
    ends = [0, *found.cuts, len(found.body)]
    assert len(found.cuts) == 2
    assert max(b - a for a, b in pairwise(ends)) <= 70


def test_suppressed_numbers_are_left_out_and_told(database: str) -> None:
    factories.change("INSERT INTO suppression (phone, source) VALUES ('+12025550001', 'test')")

    load(draft(guests(3)))

    assert [row.phone for row in loaded()] == ["+12025550000", "+12025550002"]
    reject = factories.one("SELECT code, reason, fix FROM reject")
    assert reject.code == "suppressed"
    assert all(told[0].isupper() and told.endswith(".") for told in (reject.reason, reject.fix))
    assert campaign().report["rejected"] == 1


def test_what_postgres_and_json_would_misread_is_stored_as_it_is(database: str) -> None:
    name = 'a\tb "q" \\N {x} % \u2028 \\. é 🎉'
    quoted = name.replace('"', '""')
    content = f'name,phone,"no""te\\"\n"{quoted}\nline",+12025550001,x\n"{quoted}",12,"{quoted}"\n'

    load(draft(content.encode(), template="Hi {name}"))

    found = factories.one("SELECT m.body, r.fields FROM message m JOIN recipient r USING (id)")
    assert found.body == f"Hi {name}\nline"
    assert found.fields == {"name": f"{name}\nline", "phone": "+12025550001", 'no"te\\': "x"}
    assert factories.one("SELECT cells FROM reject").cells == [name, "12", name]


def test_bytes_that_are_no_text_are_kept_legible_among_the_rejects(database: str) -> None:
    load(draft(b"name,phone\n\xc3\xa9,+12025550001\nZo\xeb,+12025550002\na\0b,+12025550003\n"))

    rejects = factories.rows('SELECT code, value FROM reject ORDER BY "row"')
    assert rejects == [("bad_encoding", "Zo?"), ("control_character", "a\ufffdb")]


def test_texts_of_one_and_of_several_parts_are_stored_side_by_side(database: str) -> None:
    content = f"name,phone\nAna,+12025550001\n{'word ' * 60},+12025550002\n🎉,+12025550003\n"

    load(draft(content.encode(), template="Hi {name}", split_at=160))

    found = factories.rows("SELECT cuts, encoding, segments FROM message ORDER BY id")
    assert [(len(m.cuts), m.encoding, m.segments) for m in found] == [
        (0, "GSM-7", 1), (1, "GSM-7", 2), (0, "UCS-2", 1),
    ]  # fmt: skip


def rejected_from(content: bytes, lines: list[list[str]]) -> bytes:
    """A reject file of that file, as it comes back mended."""
    out = io.StringIO(newline="")
    rejects = [
        Reject(row, "name", "", "missing_value", "why", "fix", cells)
        for row, cells in enumerate(lines, 2)
    ]
    origin = hashlib.sha256(content).hexdigest()
    write_rejects(out, ["name", "phone"], rejects, origin=origin)
    return out.getvalue().encode()


def uploaded(content: bytes) -> int:
    """That file as a loaded campaign."""
    made = draft(content)
    digest = hashlib.sha256(content).hexdigest()
    factories.change(
        "UPDATE upload SET sha256 = :digest WHERE id = "
        "(SELECT upload_id FROM campaign WHERE id = :id)",
        digest=digest, id=made,
    )  # fmt: skip
    load(made)
    return made


def test_a_mended_row_does_not_repeat_a_number_its_file_has_already(database: str) -> None:
    former = uploaded(guests(3))
    mended = rejected_from(guests(3), [["Eve", "+12025550001"], ["Fay", "(202) 555-0009"]])

    load(draft(mended))

    accepted = [row.phone for row in loaded()]
    assert sorted(accepted) == [f"+1202555000{n}" for n in (0, 1, 2, 9)]
    reject = factories.one("SELECT * FROM reject")
    assert (reject.row, reject.column, reject.code) == (2, "phone", "duplicate")
    assert f"campaign {former} already, in row 3" in reject.reason
    assert reject.cells == ["Eve", "+12025550001"]


def test_a_number_of_some_other_campaign_does_not_stop_a_mended_row(database: str) -> None:
    uploaded(guests(3))
    mended = rejected_from(b"another file", [["Eve", "+12025550001"]])

    load(draft(mended))

    assert factories.rows("SELECT * FROM reject") == []
    assert [row.phone for row in loaded()].count("+12025550001") == 2


def test_of_rows_a_quotation_mark_swallowed_those_are_texted_that_are_mended_and_new(
    database: str,
) -> None:
    content = (
        b'name,phone\nAl,+12025550001\n"Ana,+12025550002\nBo,+12025550001\nCy 6",+12025550003\n'
    )
    former = uploaded(content)
    assert [row.phone for row in loaded()] == ["+12025550001"]

    reject = factories.one("SELECT * FROM reject")
    pieces = export.rejects_csv(former)
    written = "".join(pieces).lstrip("\ufeff")
    mended = written.replace('"Ana', "Ana", 1).replace('Cy 6"', "Cy 6", 1)
    load(draft(mended.encode()))

    assert (reject.row, reject.code) == (3, "open_quote")
    accepted = [row.phone for row in loaded()]
    assert sorted(accepted) == ["+12025550001", "+12025550002", "+12025550003"]


def test_twin_columns_are_kept_apart_in_the_ledger_and_in_the_export(database: str) -> None:
    made = draft(b"name,note,phone,note\nAna,a,+12025550001,b\n")

    load(made)

    assert factories.one("SELECT fields FROM recipient").fields["note (2)"] == "b"
    written = "".join(export.messages_csv(made)).splitlines()
    assert written[0].endswith("name,note,phone,note (2)")
    assert written[1].endswith("Ana,a,'+12025550001,b")


def test_the_file_is_dropped_once_it_is_loaded_and_its_header_stays(database: str) -> None:
    load(draft(guests()))

    assert factories.rows("SELECT * FROM upload_chunk") == []
    assert factories.one("SELECT header FROM upload").header == ["name", "phone"]


def test_what_is_loaded_is_not_loaded_again(database: str) -> None:
    made = draft(guests())
    load(made)

    assert not load(made)
    assert len(loaded()) == ROWS


@pytest.mark.parametrize("chunk", [1, 5, ROWS, 5000])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_import_that_was_killed_goes_on_behind_its_last_chunk(
    database: str, monkeypatch: pytest.MonkeyPatch, chunk: int, after: int
) -> None:
    monkeypatch.setattr(loading, "CHUNK", chunk)
    made = draft(guests(bad={0, 7, 8}), agents=[factories.agent(rate=r) for r in (1, 3)])
    _die_in(monkeypatch, made, chunk=after)

    lease_ran_out()
    load(made)

    rows = [row.row for row in loaded()]
    assert rows == [i + 2 for i in range(ROWS) if i not in {0, 7, 8}]
    assert factories.one("SELECT count(*) AS n FROM reject").n == 3
    assert (campaign().status, campaign().report["rows"]) == ("ready", ROWS)
    assert sorted(Counter(row.agent_key for row in loaded()).values()) == [5, 15]


def test_an_import_that_goes_on_reads_the_file_as_was_said(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 5)
    lines = [f"Kučera, Jan {i};+1202555{i:04d}" for i in range(ROWS)]
    content = "\n".join(["name;phone", *lines, ""]).encode("cp1250")
    made = draft(content, encoding="windows-1250", delimiter=";")
    _die_in(monkeypatch, made, chunk=2)
    lease_ran_out()

    assert load(made)

    assert [row.body for row in loaded()] == [f"Hi Kučera, Jan {i}" for i in range(ROWS)]
    assert (campaign().report["encoding"], campaign().report["delimiter"]) == ("windows-1250", ";")


def test_an_import_killed_after_its_last_chunk_is_only_finished(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = draft(guests())
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "finish", _dies)
        with pytest.raises(Killed):
            load(made)

    lease_ran_out()
    assert load(made)
    assert (len(loaded()), campaign().status) == (ROWS, "ready")


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_import_whose_process_is_to_end_ends_behind_its_chunk_and_another_goes_on_at_once(
    database: str, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    with stopped_behind(monkeypatch, chunks=after):
        assert not load(made)
        assert len(loaded()) == 5 * after
        assert not load(made)  # nor does the process begin anew

    with transaction() as connection:
        assert waiting_imports.abandoned(connection) == [made]
    assert load(made)
    assert [row.row for row in loaded()] == [i + 2 for i in range(ROWS)]
    assert (campaign().status, campaign().report["rows"]) == ("ready", ROWS)


@contextmanager
def stopped_behind(monkeypatch: pytest.MonkeyPatch, *, chunks: int) -> Iterator[None]:
    """The process is told to end when so many chunks have been handed over to be stored."""
    stopping, plan, put = threading.Event(), loading.plan_of, Store.put
    left = [chunks]

    def one_less() -> None:
        left[0] -= 1
        if left[0] < 0:
            stopping.set()

    with monkeypatch.context() as patch:
        patch.setattr(loading, "stopping", stopping)
        patch.setattr(loading, "plan_of", lambda job: (one_less(), plan(job))[1])  # type: ignore[func-returns-value]
        patch.setattr(Store, "put", lambda *args, **more: (put(*args, **more), one_less()))  # type: ignore[func-returns-value]
        yield


def _die_in(monkeypatch: pytest.MonkeyPatch, campaign_id: int, *, chunk: int) -> None:
    """Load, and die inside the transaction of that chunk (from 0), when everything is written."""
    told = []
    tell = uploads.tell

    def dies(*args: Any) -> None:
        tell(*args)
        told.append(args)
        if len(told) > chunk:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "tell", dies)
        try:
            load(campaign_id)
        except Killed:
            return
    assert len(told) <= chunk


def _dies(*_: object, **__: object) -> None:
    raise Killed


def test_an_import_that_somebody_is_at_is_left_alone(database: str) -> None:
    made = draft(guests())
    with transaction() as connection:
        mine = uploads.lease(connection, made, timedelta(seconds=30))

    assert mine is not None
    assert not load(made)
    assert loaded() == []


def test_of_two_importers_at_once_one_loads_and_every_row_once(database: str) -> None:
    made = draft(guests(200))

    results = [thread.join() for thread in [Waits(lambda: load(made)) for _ in range(3)]]

    assert sorted(results) == [False, False, True]
    assert len(loaded()) == 200


def test_an_importer_that_was_given_up_and_wakes_stops_without_a_double_row(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    frozen, put = [], Store.put  # type: ignore[var-annotated]
    with transaction() as connection:
        job = uploads.lease(connection, made, timedelta(seconds=30))
    monkeypatch.setattr(Store, "put", lambda *a, **k: (overtake(frozen, made), put(*a, **k)))  # type: ignore[func-returns-value]

    with pytest.raises(LeaseLost):
        loading._import(job)  # type: ignore[arg-type]

    assert len(loaded()) == ROWS
    assert campaign().status == "ready"


def overtake(frozen: list[int], made: int) -> None:
    """The first time: the importer stands still between two chunks, and another one takes over."""
    if not frozen:
        frozen.append(made)
        lease_ran_out()
        assert load(made)


@pytest.mark.parametrize("chunk", [0, 2])
def test_a_campaign_cancelled_meanwhile_is_not_loaded_any_further(
    database: str, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    tell, told = uploads.tell, []  # type: ignore[var-annotated]

    def cancelled(*args: Any) -> None:
        if len(told) == chunk:
            factories.change("UPDATE campaign SET status = 'cancelled'")
        told.append(args)
        tell(*args)

    monkeypatch.setattr(uploads, "tell", cancelled)

    with pytest.raises(LeaseLost):
        load(made)

    assert len(loaded()) == 5 * chunk
    assert campaign().status == "cancelled"


def test_a_chunk_that_failed_stops_those_that_wait_behind_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    renew, asked = uploads.renew, []

    def fails_once(*args: Any, **kwargs: Any) -> None:
        asked.append(kwargs["after"])
        if len(asked) == 2:
            raise Killed
        renew(*args, **kwargs)

    monkeypatch.setattr(uploads, "renew", fails_once)
    with pytest.raises(Killed):
        load(made)

    assert [row.row for row in loaded()] == [2, 3, 4, 5, 6]
    assert factories.one("SELECT loaded_row FROM upload").loaded_row == 6


def test_while_it_is_imported_a_campaign_shows_how_far_it_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 10)
    made = draft(guests(bad={0, 15}))
    renew, shown = uploads.renew, []

    def looks(*args: Any, **kwargs: Any) -> None:
        shown.append(status.campaign(made))
        renew(*args, **kwargs)

    monkeypatch.setattr(uploads, "renew", looks)
    load(made)

    assert shown[0].report is None
    assert [campaign.status for campaign in shown] == ["draft"] * 3
    counted = [[getattr(c.report, k) for k in ("rows", "accepted", "rejected")] for c in shown[1:]]
    assert counted == [[10, 9, 1], [20, 18, 2]]
    assert [campaign.counts for campaign in shown] == [{}, {"ready": 9}, {"ready": 18}]


@pytest.mark.parametrize("chunk", [3, 5, 100])
def test_an_import_goes_on_where_it_was_though_chunks_have_another_size(
    database: str, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(loading, "CHUNK", 7)
    made = draft(guests(bad={0, 7, 8}), agents=[factories.agent(rate=r) for r in (1, 3)])
    _die_in(monkeypatch, made, chunk=1)
    monkeypatch.setattr(loading, "CHUNK", chunk)

    lease_ran_out()
    load(made)

    assert [row.row for row in loaded()] == [i + 2 for i in range(ROWS) if i not in {0, 7, 8}]
    assert factories.one("SELECT count(*) AS n FROM reject").n == 3
    assert sorted(Counter(row.agent_key for row in loaded()).values()) == [5, 15]


def test_a_file_that_cannot_be_read_cancels_its_campaign_with_the_reason(database: str) -> None:
    made = draft(b"PK\x03\x04 not really a workbook")

    with pytest.raises(Refused):
        load(made)

    assert campaign().status == "cancelled"
    assert campaign().reason


def test_recipients_are_dealt_in_proportion_to_the_agents_rates(database: str) -> None:
    slow, quick = factories.agent(rate=1), factories.agent(rate=4)

    load(draft(guests(50), agents=[slow, quick]))

    assert Counter(row.agent_key for row in loaded()) == {slow: 10, quick: 40}
    assert {row.agent_key for row in loaded()[:5]} == {slow, quick}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 200))
def test_no_agent_is_done_later_than_another_would_be_with_one_more(
    rates: list[int], count: int
) -> None:
    dealer = Dealer(list(enumerate(map(float, rates))))

    dealt = Counter(dealer.deal(count))

    last = max(dealt[key] / rate for key, rate in enumerate(rates))
    assert dealt.total() == count
    assert all(last <= (dealt[key] + 1) / rate for key, rate in enumerate(rates))
