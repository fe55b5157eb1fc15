"""Tasks beside the main thread: in order, one at a time, and told of on the main thread."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from shared.queue import beside
from shared.queue.beside import Beside


class Loop:
    """A main thread that hears when it is asked to."""

    def add_reader(self, ear: socket.socket, callback: Callable[[], object]) -> None:
        self.ear, self.callback = ear, callback

    def remove_reader(self, ear: socket.socket) -> None:
        assert ear is self.ear

    def hear(self) -> None:
        assert select.select([self.ear], [], [], 30)[0]
        self.callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def pool(loop: Loop) -> Iterator[Beside]:
    made = Beside(1)
    made.start()
    made.register_with_event_loop(loop)
    yield made
    made.stop()


def apply(pool: Beside, name: str, work: Callable[[], object], heard: list[Any]) -> None:
    """A task that notes, on which thread, when it was begun and ended."""

    def note(what: str, *_: object) -> None:
        heard.append((what, name, threading.current_thread() is threading.main_thread()))

    pool.apply_async(work, callback=partial(note, "ended"), accept_callback=partial(note, "begun"))


def test_work_runs_beside_and_what_became_of_it_is_told_in_order_on_the_main_thread(
    pool: Beside, loop: Loop
) -> None:
    heard: list[Any] = []
    ran: list[str] = []

    for name in ("first", "second"):
        apply(pool, name, lambda: ran.append(threading.current_thread().name), heard)
    while len(heard) < 4:
        loop.hear()

    assert ran == ["tasks", "tasks"]
    assert heard == [(what, n, True) for n in ("first", "second") for what in ("begun", "ended")]


def test_what_had_not_begun_when_the_connection_was_lost_is_forgotten(
    pool: Beside, loop: Loop
) -> None:
    heard: list[Any] = []
    may_end = threading.Event()
    apply(pool, "running", lambda: may_end.wait(30), heard)
    loop.hear()
    apply(pool, "waiting", lambda: None, heard)

    pool.flush()
    may_end.set()
    apply(pool, "later", lambda: None, heard)
    while len(heard) < 4:
        loop.hear()

    assert [(what, name) for what, name, _ in heard] == [
        ("begun", "running"), ("ended", "running"), ("begun", "later"), ("ended", "later"),
    ]  # fmt: skip


def test_a_stop_waits_for_the_task_in_hand_and_tells_of_its_end(pool: Beside, loop: Loop) -> None:
    heard: list[Any] = []
    may_end = threading.Event()
    apply(pool, "running", lambda: may_end.wait(30), heard)
    loop.hear()
    apply(pool, "waiting", lambda: None, heard)
    threading.Timer(0.2, may_end.set).start()

    pool.stop()

    assert heard == [("begun", "running", True), ("ended", "running", True)]


def test_a_stop_does_not_wait_for_ever(
    pool: Beside, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "STOP_WITHIN", 0.05)
    heard: list[Any] = []
    may_end = threading.Event()
    apply(pool, "running", lambda: may_end.wait(30), heard)
    loop.hear()

    pool.stop()

    assert heard == [("begun", "running", True)]
    may_end.set()


def test_with_a_broker_that_knows_no_event_loop_work_is_done_in_place() -> None:
    heard: list[Any] = []
    pool = Beside(1)
    pool.start()

    apply(pool, "only", lambda: None, heard)
    pool.stop()

    assert [(what, name) for what, name, _ in heard] == [("begun", "only"), ("ended", "only")]
