"""Who comes in the instant when an import ends takes nothing up, and undoes nothing."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from scheduler.campaigns import create
from scheduler.ingest import uploads
from scheduler.ingest.load import importer as loading
from scheduler.ingest.uploads import LeaseLost
from shared.db.session import engine, transaction
from shared.errors import Refused
from tests.scheduler.ingest.load.test_importer import ROWS, campaign, draft, guests, loaded
from tests.support import factories
from tests.support.ledger import Waits, until_waiting


def imported_while(work: Callable[..., Any]) -> bool | None:
    """`work` in a thread that waits for the very end of another's import; its result."""
    made = draft(guests())
    loading.load(made)
    undo = "UPDATE {} WHERE id = (SELECT max(id) FROM {})"
    factories.change(undo.format("campaign SET status = 'draft'", "campaign"))
    factories.change(undo.format("upload SET header = NULL, lease_until = NULL", "upload"))
    with transaction() as connection:
        job = uploads.lease(connection, made, loading.LEASE)
        uploads.finish(connection, job, report={"accepted": ROWS}, header=["name", "phone"])  # type: ignore[arg-type]
        waiting = Waits(lambda: work(made))
        with engine().connect() as looking:
            until_waiting(looking)
    return waiting.join()


def offer(campaign_id: int) -> None:
    with transaction() as connection:
        uploads.offer(connection, campaign_id)


def give_up(campaign_id: int) -> Any:
    with transaction() as connection:
        return uploads.give_up(connection, campaign_id)


@pytest.mark.parametrize(
    ("work", "result"), [(loading.load, False), (offer, None), (give_up, None)]
)
def test_an_import_that_has_just_ended_is_neither_leased_nor_offered(
    database: str, work: Callable[..., Any], result: bool | None
) -> None:
    assert imported_while(work) is result

    upload = factories.one("SELECT * FROM upload")
    assert (upload.lease_until, upload.header) == (None, ["name", "phone"])
    assert (campaign().status, campaign().reason, len(loaded())) == ("ready", None, ROWS)


def test_whoever_uploaded_a_file_that_another_has_just_imported_keeps_the_campaign(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "load", lambda made, patience: loading.load(made))

    imported_while(lambda made: create._import(made, inline=True))

    assert (campaign().status, len(loaded())) == ("ready", ROWS)


def overtaken(monkeypatch: pytest.MonkeyPatch, at: tuple[ModuleType, str]) -> None:
    """Have another import the file, and be done, when this one is about to do `at`."""
    before, done = getattr(*at), []  # type: ignore[var-annotated]

    def later(*given: Any, **more: Any) -> Iterator[Any] | None:
        if not done:
            done.append(None)
            factories.change("UPDATE upload SET lease_until = now() - interval '1 s'")
            assert loading.load(campaign().id)
        return before(*given, **more)

    monkeypatch.setattr(*at, later)


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("at", [(uploads, "chunks"), (uploads, "finish")])
def test_an_importer_that_was_overtaken_undoes_nothing_of_what_the_other_did(
    database: str, monkeypatch: pytest.MonkeyPatch, at: tuple[ModuleType, str], kept: int
) -> None:
    made = draft(guests(bad={3}))
    monkeypatch.setattr("scheduler.ingest.load.kept_rejects.MOST", kept)
    overtaken(monkeypatch, at)

    with pytest.raises(LeaseLost):
        loading.load(made)

    assert (campaign().status, campaign().reason, len(loaded())) == ("ready", None, ROWS - 1)
    bytes_stay = factories.one("SELECT count(*) AS n FROM upload_chunk").n > 0
    assert bytes_stay == (kept == 0)  # for a reject that was left out


def test_a_file_that_cannot_be_read_still_cancels_its_campaign(database: str) -> None:
    made = draft(b"")

    with pytest.raises(Refused):
        loading.load(made)

    assert campaign().status == "cancelled"
