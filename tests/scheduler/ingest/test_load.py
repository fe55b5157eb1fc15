"""A campaign's file in the ledger: whole, once, dealt out fairly, whatever interrupts it."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.ingest import load as loading
from scheduler.ingest.load import Dealer, load
from shared.db.queries import uploads
from shared.db.queries.uploads import LeaseLost
from shared.db.session import transaction
from shared.errors import Refused
from tests.support import factories
from tests.support.ledger import Waits

ROWS = 23


class Killed(Exception):
    """The importer's process dies here."""


def guests(rows=ROWS, bad=()):
    """A file of that many guests; the numbers in `bad` cannot be dialled. Rows begin at 2."""
    lines = [f"guest {i},{'12' if i in bad else f'+1202555{i:04d}'}" for i in range(rows)]
    return "\n".join(["name,phone", *lines, ""]).encode()


def draft(content, *, agents=None, mode="direct", **settings):
    """A draft campaign with that file; its id."""
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [content[i : i + 100] for i in range(0, len(content), 100)])
    return factories.campaign(
        *(agents or [factories.agent()]), status="draft", upload_id=upload_id, mode=mode,
        settings={"template": "Hi {name}"} | settings,
    )  # fmt: skip


def lease_ran_out():
    factories.change("UPDATE upload SET lease_until = now() - interval '1 s'")


def loaded():
    return factories.rows(
        'SELECT r."row", r.phone, m.body, m.status, m.agent_key FROM recipient r '
        'JOIN message m ON m.recipient_id = r.id ORDER BY r."row"'
    )


def campaign():
    return factories.one("SELECT * FROM campaign")


def test_every_accepted_row_becomes_a_recipient_with_frozen_words(database):
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


def test_rejected_rows_are_kept_with_their_reason_and_their_cells(database):
    load(draft(guests(5, bad={1, 3})))

    rejects = factories.rows('SELECT "row", code, cells FROM reject ORDER BY "row"')
    assert [(r.row, r.code) for r in rejects] == [(3, "invalid_phone"), (5, "invalid_phone")]
    assert rejects[0].cells == ["guest 1", "12"]
    assert [row.row for row in loaded()] == [2, 4, 6]


def test_in_agent_mode_recipients_wait_for_their_words(database):
    load(draft(guests(2), mode="agent"))

    found = factories.rows("SELECT status, compose_at IS NULL AS none, body FROM message")
    assert found == [("planned", False, None)] * 2


def test_long_texts_are_cut_into_parts(database):
    load(draft(guests(1), template="Hi {name}, " + "all the words " * 12, split_at=70))

    found = factories.one("SELECT cuts, body, segments FROM message")
    ends = [0, *found.cuts, len(found.body)]
    assert len(found.cuts) == 2
    assert max(b - a for a, b in pairwise(ends)) <= 70


def test_suppressed_numbers_are_left_out_and_told(database):
    factories.change("INSERT INTO suppression (phone, source) VALUES ('+12025550001', 'test')")

    load(draft(guests(3)))

    assert [row.phone for row in loaded()] == ["+12025550000", "+12025550002"]
    reject = factories.one("SELECT code, reason, fix FROM reject")
    assert reject.code == "suppressed"
    assert all(told[0].isupper() and told.endswith(".") for told in (reject.reason, reject.fix))
    assert campaign().report["rejected"] == 1


def test_the_file_is_dropped_once_it_is_loaded_and_its_header_stays(database):
    load(draft(guests()))

    assert factories.rows("SELECT * FROM upload_chunk") == []
    assert factories.one("SELECT header FROM upload").header == ["name", "phone"]


def test_what_is_loaded_is_not_loaded_again(database):
    made = draft(guests())
    load(made)

    assert not load(made)
    assert len(loaded()) == ROWS


@pytest.mark.parametrize("chunk", [1, 5, ROWS, 5000])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_import_that_was_killed_goes_on_behind_its_last_chunk(
    database, monkeypatch, chunk, after
):
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


def test_an_import_killed_after_its_last_chunk_is_only_finished(database, monkeypatch):
    made = draft(guests())
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "finish", _dies)
        with pytest.raises(Killed):
            load(made)

    lease_ran_out()
    assert load(made)
    assert (len(loaded()), campaign().status) == (ROWS, "ready")


def _die_in(monkeypatch, campaign_id, *, chunk):
    """Load, and die inside the transaction of that chunk (from 0), when everything is written."""
    stored = []
    store = loading._store

    def dies(*args):
        store(*args)
        stored.append(args)
        if len(stored) > chunk:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loading, "_store", dies)
        try:
            load(campaign_id)
        except Killed:
            return
    assert len(stored) <= chunk


def _dies(*_, **__):
    raise Killed


def test_an_import_that_somebody_is_at_is_left_alone(database):
    made = draft(guests())
    with transaction() as connection:
        mine = uploads.lease(connection, made, timedelta(seconds=30))

    assert mine is not None
    assert not load(made)
    assert loaded() == []


def test_of_two_importers_at_once_one_loads_and_every_row_once(database):
    made = draft(guests(200))

    results = [thread.join() for thread in [Waits(lambda: load(made)) for _ in range(3)]]

    assert sorted(results) == [False, False, True]
    assert len(loaded()) == 200


def test_an_importer_that_was_given_up_and_wakes_stops_without_a_double_row(database, monkeypatch):
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    frozen, renew = [], uploads.renew
    with transaction() as connection:
        job = uploads.lease(connection, made, timedelta(seconds=30))
    monkeypatch.setattr(uploads, "renew", lambda *a, **k: (overtake(frozen, made), renew(*a, **k)))

    with pytest.raises(LeaseLost):
        loading._import(job)

    assert len(loaded()) == ROWS
    assert campaign().status == "ready"


def overtake(frozen, made):
    """The first time: the importer stands still before its commit, and another one takes over."""
    if not frozen:
        frozen.append(made)
        lease_ran_out()
        assert load(made)


def test_a_campaign_cancelled_meanwhile_is_not_loaded_any_further(database, monkeypatch):
    monkeypatch.setattr(loading, "CHUNK", 5)
    made = draft(guests())
    store = loading._store

    def cancelled(*args):
        store(*args)
        factories.change("UPDATE campaign SET status = 'cancelled'")

    monkeypatch.setattr(loading, "_store", cancelled)

    with pytest.raises(LeaseLost):
        load(made)

    assert len(loaded()) == 5
    assert campaign().status == "cancelled"


def test_a_file_that_cannot_be_read_cancels_its_campaign_with_the_reason(database):
    made = draft(b"PK\x03\x04 not really a workbook")

    with pytest.raises(Refused):
        load(made)

    assert campaign().status == "cancelled"
    assert campaign().reason


def test_recipients_are_dealt_in_proportion_to_the_agents_rates(database):
    slow, quick = factories.agent(rate=1), factories.agent(rate=4)

    load(draft(guests(50), agents=[slow, quick]))

    assert Counter(row.agent_key for row in loaded()) == {slow: 10, quick: 40}
    assert {row.agent_key for row in loaded()[:5]} == {slow, quick}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 200))
def test_no_agent_is_done_later_than_another_would_be_with_one_more(rates, count):
    dealer = Dealer(list(enumerate(map(float, rates))))

    dealt = Counter(dealer.deal() for _ in range(count))

    last = max(dealt[key] / rate for key, rate in enumerate(rates))
    assert dealt.total() == count
    assert all(last <= (dealt[key] + 1) / rate for key, rate in enumerate(rates))
