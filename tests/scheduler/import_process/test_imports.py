"""An import in its own process: its file ends it, and nothing else."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler.import_process import Busy, imports, parent
from scheduler.import_process.parent import Ended
from scheduler.import_process.protocol import ImportFailed
from scheduler.ingest import uploads, waiting_imports
from shared.db.session import transaction
from shared.errors import Refused
from tests.scheduler.http.conftest import agent, api, upload
from tests.scheduler.import_process.conftest import Hogs
from tests.support import factories
from tests.support.eventually import eventually
from tests.support.ledger import Waits

ROWS = 23
__all__ = ["agent", "api", "upload"]


def draft(rows: int = ROWS, content: bytes | None = None) -> int:
    lines = [f"guest {i},+1202555{i:04d}" for i in range(rows)]
    content = content or "\n".join(["name,phone", *lines, ""]).encode()
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [content])
    return factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id, mode="direct",
        settings={"template": "Hi {name}"},
    )  # fmt: skip


def campaign() -> Any:
    return factories.one("SELECT * FROM campaign")


def loaded() -> list[int]:
    return [found.row for found in factories.rows('SELECT "row" FROM recipient ORDER BY "row"')]


WHOLE = [i + 2 for i in range(ROWS)]


@pytest.mark.parametrize(
    ("what", "words", "limits"),
    [
        ("memory", "MiB of memory", {}),
        ("time", "processor time", {"at_first": 1, "a_mebibyte": 1}),
        ("crash", "crash", {}),
    ],
)
@pytest.mark.parametrize(("row", "behind"), [(1, "at its start"), (12, "behind row 11")])
def test_a_file_that_meets_its_limit_twice_at_one_chunk_ends_its_import_with_the_reason(
    hogs: Hogs, what: str, words: str, limits: dict[str, int], row: int, behind: str
) -> None:
    hogs(what=what, row=row, limits=limits)
    made = draft()

    with pytest.raises(Refused) as refused:
        imports.load(made)

    assert refused.value.code == "file_too_costly"
    assert campaign().status == "cancelled"
    assert campaign().reason == refused.value.message
    assert words in campaign().reason
    assert behind in campaign().reason
    assert loaded() == WHOLE[: 10 * (row > 1)]


@pytest.mark.parametrize("what", ["memory", "crash"])
def test_a_limit_that_is_met_once_ends_nothing(hogs: Hogs, flags: list[str], what: str) -> None:
    hogs(what=what, once=[[12, flags[0]]])

    assert imports.load(draft())

    assert not Path(flags[0]).exists()
    assert (campaign().status, loaded()) == ("ready", WHOLE)


def test_limits_met_at_different_chunks_end_nothing(hogs: Hogs, flags: list[str]) -> None:
    hogs(what="memory", once=[[7, flags[0]], [12, flags[1]], [17, flags[2]]])

    assert imports.load(draft())

    assert not any(Path(flag).exists() for flag in flags)
    assert (campaign().status, loaded()) == ("ready", WHOLE)


def test_a_child_that_is_killed_from_outside_says_nothing_about_its_file(hogs: Hogs) -> None:
    hogs(what="killed", row=12)
    made = draft()

    for _ in range(3):
        assert not imports.load(made)
        assert (campaign().status, loaded()) == ("draft", WHOLE[:10])
        with transaction() as connection:
            assert waiting_imports.abandoned(connection) == [made]  # at once, for anyone

    hogs(what="killed", row=100)
    assert imports.load(made)
    assert (campaign().status, loaded()) == ("ready", WHOLE)


def test_a_server_that_is_killed_is_started_again(hogs: Hogs) -> None:
    server = hogs(what="sleep", row=12)
    made = draft()
    importing = Waits(lambda: imports.load(made))
    eventually(lambda: loaded() == WHOLE[:10], seconds=30)
    os.kill(server._server.pid, signal.SIGKILL)  # type: ignore[union-attr]

    assert not importing.join()
    hogs(what="sleep", row=100)
    assert imports.load(made)
    assert loaded() == WHOLE


def test_children_end_with_their_server_and_it_with_its_parent(hogs: Hogs) -> None:
    server = hogs(what="sleep", row=12)
    importing = Waits(lambda: imports.load(draft()))
    eventually(lambda: loaded() == WHOLE[:10], seconds=30)
    pid = server._server.pid  # type: ignore[union-attr]
    (child,) = _children(pid)

    server.close()

    assert not importing.join()
    eventually(lambda: not Path(f"/proc/{child}").exists() or _is_dead(child), seconds=30)


def test_an_import_whose_parent_is_to_end_ends_behind_its_chunk(
    hogs: Hogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()
    for module in (parent, imports):
        monkeypatch.setattr(module, "stopping", stopping)
    hogs(what="until it is told to stop", row=12)
    made = draft()
    importing = Waits(lambda: imports.load(made))
    eventually(lambda: loaded() == WHOLE[:10], seconds=30)
    stopping.set()

    assert not importing.join()
    assert (campaign().status, loaded()) == ("draft", WHOLE[:15])
    assert not imports.load(made)  # nor does it begin anew
    with transaction() as connection:
        assert waiting_imports.abandoned(connection) == [made]


def test_a_bug_is_told_from_a_limit_and_a_refusal_arrives_whole(hogs: Hogs) -> None:
    hogs(what="bug", row=1)
    with pytest.raises(ImportFailed, match="ZeroDivisionError"):
        imports.load(draft())
    assert campaign().status == "draft"

    factories.change("DELETE FROM campaign")
    with pytest.raises(Refused) as refused:
        imports.load(draft(content=b"phone,phone number\n1,2\n"))
    assert refused.value.code == "which_phone_column"
    assert refused.value.details["columns"]


def test_no_more_children_at_once_than_may_be(hogs: Hogs, monkeypatch: pytest.MonkeyPatch) -> None:
    server = hogs(what="sleep", row=1)
    monkeypatch.setattr(server, "_places", threading.BoundedSemaphore(1))
    first = Waits(lambda: imports.load(draft()))
    eventually(lambda: server._server and _children(server._server.pid), seconds=30)

    with pytest.raises(Busy):
        imports.load(draft(), patience=0)
    server.close()
    first.join()


def test_what_was_cut_short_by_death_was_not_said() -> None:
    ended = Ended.of(b'\n{"leased":true}\n\n{"whole":tr\n{"ended":-9,"peak":7,"seconds":1.5}\n')

    assert ended == Ended({}, True, "", peak=7, seconds=1.5)


def test_who_uploads_a_file_that_ends_its_children_is_told_so_and_the_next_is_served(
    hogs: Hogs, upload: Callable[..., Any]
) -> None:
    hogs(what="memory", row=1)
    answers = [upload(name="a"), upload(name="b")]

    assert {answer.status_code for answer in answers} == {422}
    error = answers[0].json()["error"]
    assert (error["code"], error["details"]) == ("file_too_costly", {"limit": "memory", "row": 0})
    assert factories.rows("SELECT * FROM campaign") == []
    hogs(what="memory", row=1000)
    assert upload().status_code == 201


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_dead(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_process_with_thousands_of_files_and_connections_open_can_import(database: str) -> None:
    made = draft()
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert imports.load(made)
    finally:
        for descriptor in held:
            os.close(descriptor)

    assert loaded() == WHOLE
