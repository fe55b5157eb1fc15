"""Small files overtake a huge one, a huge one is never starved, and no row is loaded twice."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Never

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from scheduler import tasks
from scheduler.ingest import uploads, waiting_imports
from scheduler.ingest.load import importer as loading
from scheduler.ingest.load import turns
from scheduler.ingest.load.turns import Turn, import_waiting
from scheduler.ingest.uploads import ImportJob
from scheduler.repair import sweeps
from shared.db.session import transaction
from shared.errors import Misconfigured, Refused
from shared.queue.jobs import ImportUpload
from tests.support import factories

CHUNK, SMALL = 5, 20


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five rows, and twenty are few; in this process, which knows of that."""
    for caller in (tasks, sweeps):
        monkeypatch.setattr(caller, "load", loading.load)
    monkeypatch.setattr(loading, "CHUNK", CHUNK)
    monkeypatch.setattr(turns, "SMALL", SMALL)


def file(rows: int) -> bytes:
    lines = [f"guest {i},+1202555{i:04d}" for i in range(rows)]
    return "\n".join(["name,phone", *lines, ""]).encode()


def waiting(rows: int) -> int:
    """A campaign whose file of so many rows waits to be imported."""
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [file(rows)])
    made = factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id, settings={"template": "Hi {name}"}
    )
    with transaction() as connection:
        uploads.offer(connection, made)
    return made


def status(campaign_id: int) -> str:
    return factories.one("SELECT status FROM campaign WHERE id = :id", id=campaign_id).status


def loaded(campaign_id: int) -> list[int]:
    sought = "SELECT row FROM recipient WHERE campaign_id = :id ORDER BY row"
    return [found.row for found in factories.rows(sought, id=campaign_id)]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Campaigns in the order in which their imports were complete."""
    order, finish = [], uploads.finish

    def noted(connection: Connection, job: ImportJob, **more: Any) -> None:
        finish(connection, job, **more)
        order.append(job.campaign_id)

    monkeypatch.setattr(uploads, "finish", noted)
    return order


def arrives(monkeypatch: pytest.MonkeyPatch, *, behind: int, make: Callable[..., Any]) -> list[Any]:
    """Calls `make` once, when an import has stored its chunk up to row `behind`."""
    renew, made = uploads.renew, []  # type: ignore[var-annotated]

    def noted(connection: Connection, job: ImportJob, *, through: int, **more: Any) -> None:
        renew(connection, job, through=through, **more)
        if through >= behind and not made:
            made.append(None)
            made[0] = make()

    monkeypatch.setattr(uploads, "renew", noted)
    return made


def test_files_that_had_nothing_yet_go_before_one_that_has_had_some(
    database: str, ended: list[Any]
) -> None:
    huge, small = waiting(60), waiting(10)
    factories.change(
        "UPDATE upload SET loaded_row = 6 WHERE id = "
        "(SELECT upload_id FROM campaign WHERE id = :id)", id=huge
    )  # fmt: skip

    assert import_waiting(loading.load, Turn(), stopped=lambda: False) == 2

    assert ended == [small, huge]


def test_a_small_file_that_comes_while_a_huge_one_is_imported_is_imported_before_it(
    database: str, ended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = waiting(400)
    small = arrives(monkeypatch, behind=40, make=lambda: waiting(10))

    tasks._import(ImportUpload(campaign_id=huge))
    assert ended == small
    sweeps.resume_imports()

    assert ended == [small[0], huge]
    assert loaded(huge) == list(range(2, 402))
    assert loaded(small[0]) == list(range(2, 12))


def test_without_a_turn_or_among_few_rows_an_import_is_not_interrupted(
    database: str, ended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = waiting(SMALL - 5)
    second = arrives(monkeypatch, behind=6, make=lambda: waiting(5))

    tasks._import(ImportUpload(campaign_id=first))

    assert ended == [first, second[0]]


def test_the_sweep_lets_a_huge_import_go_on_until_it_has_doubled(
    database: str, ended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = waiting(400)
    other = arrives(monkeypatch, behind=100, make=lambda: waiting(150))

    assert sweeps.resume_imports() == 2

    assert ended == [other[0], huge]
    assert loaded(huge) == list(range(2, 402))
    assert loaded(other[0]) == list(range(2, 152))


def test_however_many_take_turns_a_file_is_read_a_few_times_and_not_for_every_turn(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_of, lease = [], uploads.lease

    def noted(connection: Connection, campaign_id: int, length: timedelta) -> Any:
        job = lease(connection, campaign_id, length)
        turns_of.append((campaign_id, job.loaded_row))  # type: ignore[union-attr]
        return job

    monkeypatch.setattr(uploads, "lease", noted)
    files = [waiting(640) for _ in range(3)]

    sweeps.resume_imports()

    for campaign_id in files:
        read_again = [row for made, row in turns_of if made == campaign_id]
        assert loaded(campaign_id) == list(range(2, 642))
        assert sum(read_again) <= 2 * 640
        assert len(read_again) <= 7


def test_however_many_small_files_come_a_huge_one_is_read_again_twice_at_most(
    database: str, ended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, jobs = 160, []  # type: ignore[var-annotated]
    huge, other = waiting(rows), waiting(rows)
    small = comes_behind_each_chunk(monkeypatch, of=(huge, other), jobs=jobs)
    read_again = rows_read_again(monkeypatch)

    jobs += [huge, other]
    while jobs:  # the queue's thread and the sweep's, in turns
        tasks._import(ImportUpload(campaign_id=jobs.pop(0)))
    assert not {huge, other} & set(ended)
    sweeps.resume_imports()
    while jobs:
        tasks._import(ImportUpload(campaign_id=jobs.pop(0)))

    for campaign_id in (huge, other):
        assert loaded(campaign_id) == list(range(2, rows + 2))
        assert SMALL <= read_again[campaign_id] <= 2 * rows
    assert len(small) > 2 * rows / CHUNK - 10
    assert sorted(ended) == sorted([huge, other, *small])


def comes_behind_each_chunk(
    monkeypatch: pytest.MonkeyPatch, *, of: tuple[int, int], jobs: list[Any]
) -> list[Any]:
    """Behind each new chunk of the imports `of` a small file comes, and a job for it."""
    renew, made = uploads.renew, []

    def noted(connection: Connection, job: ImportJob, **more: Any) -> None:
        renew(connection, job, **more)
        if job.campaign_id in of:
            made.append(waiting(1))
            jobs.append(made[-1])

    monkeypatch.setattr(uploads, "renew", noted)
    return made


def rows_read_again(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How many rows the turns of each import read that were stored already."""
    counted, lease = Counter(), uploads.lease  # type: ignore[var-annotated]

    def noted(connection: Connection, campaign_id: int, length: timedelta) -> Any:
        job = lease(connection, campaign_id, length)
        counted[campaign_id] += job.loaded_row if job else 0
        return job

    monkeypatch.setattr(uploads, "lease", noted)
    return counted


@pytest.mark.parametrize(
    ("quick", "through", "since", "least", "over"),
    [
        (True, SMALL - 1, 0, 0, False),
        (True, SMALL, 0, 0, True),
        (True, 1000, 900, SMALL - 1, True),
        (True, 1000, 900, SMALL, False),
        (False, 1000, 900, 0, False),
        (False, 1800, 900, 0, True),
        (False, 1800, 900, 900, True),
        (False, 1800, 900, 901, False),
        (False, 1800, 900, None, False),
        (False, SMALL, 0, 0, False),
        (False, 2 * SMALL, 0, 0, True),
    ],
)
def test_a_turn_is_over_when_another_has_had_much_less(  # noqa: PLR0917
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    quick: bool,
    through: int,
    since: int,
    least: int | None,
    over: bool,
) -> None:
    monkeypatch.setattr(waiting_imports, "least_loaded", lambda _, but: least)

    assert Turn(quick).is_over(through, since=since) is over


def test_nobody_gives_way_to_an_import_that_has_just_failed(database: str) -> None:
    made = waiting(5)

    assert Turn(quick=True).is_over(SMALL, since=0)
    assert not Turn(quick=True, failed=(made,)).is_over(SMALL, since=0)


def test_a_job_of_a_campaign_that_is_gone_or_imported_does_nothing(
    database: str, ended: list[Any]
) -> None:
    made = waiting(5)
    tasks._import(ImportUpload(campaign_id=made))

    tasks._import(ImportUpload(campaign_id=made))
    tasks._import(ImportUpload(campaign_id=made + 1))

    assert (ended, status(made)) == ([made], "ready")


@pytest.mark.parametrize("kind", [Refused, Misconfigured])
def test_an_import_that_is_refused_or_misconfigured_is_told_in_words_and_holds_up_no_other(
    database: str, kind: type[Refused | Misconfigured]
) -> None:
    first, second = waiting(1), waiting(2)
    tried = []

    def load(campaign_id: int, turn: Turn) -> Never:
        tried.append(campaign_id)
        raise kind("no_database", f"Campaign {campaign_id} cannot go on.")

    with capture_logs() as logged:
        assert import_waiting(load, Turn(), stopped=lambda: False) == 0

    assert sorted(tried) == [first, second]
    assert {(line["event"], line["reason"]) for line in logged} == {
        ("import.stopped", f"Campaign {one} cannot go on.") for one in (first, second)
    }
