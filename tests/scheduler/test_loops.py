"""The timetable in the scheduler's child: every loop at its own pace, none behind another."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from scheduler import loops
from scheduler.loops import THREADS, Rota
from scheduler.timetable import Timer
from shared.errors import InWords, Misconfigured, Refused
from tests.support import factories

SOON = 20

#: Loops of real time, whose ends are waited for: no other test beside them.
pytestmark = pytest.mark.alone


@pytest.fixture
def stopping(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set at the end; threads look twenty times a second."""
    monkeypatch.setattr(loops, "GRID", 0.05)
    before = set(threading.enumerate())
    event = threading.Event()
    yield event
    event.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON)
        assert not thread.is_alive()


def timer(run: Callable[[], object], name: str = "sample", every: float = 0.1) -> Timer:
    return Timer(name, every, run, "a test")


def test_each_loop_runs_at_the_start_and_not_again_before_its_time(database: str) -> None:
    ran: list[str] = []
    rota = Rota([timer(lambda n=n: ran.append(n), n, 60) for n in ("a", "b")])  # type: ignore[misc]

    assert (rota.run_due(), rota.run_due()) == (2, 0)
    assert sorted(ran) == ["a", "b"]


def test_a_loop_that_ran_is_dated_in_the_ledger(database: str) -> None:
    factories.change("INSERT INTO loop_run VALUES ('sample', now() - interval '1 h')")

    Rota([timer(lambda: None, every=60)]).run_due()

    found = factories.one("SELECT now() - last_run < interval '1 min' AS fresh FROM loop_run")
    assert found.fresh


def test_a_loop_that_another_scheduler_has_just_run_is_left_to_it(database: str) -> None:
    ran: list[int] = []
    factories.change("INSERT INTO loop_run VALUES ('sample', now())")

    Rota([timer(lambda: ran.append(1), every=60)]).run_due()

    assert ran == []


def test_a_long_loop_holds_up_no_other_and_is_not_begun_a_second_time(
    stopping: threading.Event,
) -> None:
    ends, often = threading.Event(), threading.Event()
    began = Counter[str]()

    def long() -> None:
        began["long"] += 1
        ends.wait(SOON)

    def short() -> None:
        began["short"] += 1
        if began["short"] == 5:
            often.set()

    Rota([timer(long, "long"), timer(short, "short")]).start(stopping)
    went_on = often.wait(SOON)
    times = began["long"]
    ends.set()

    assert (went_on, times) == (True, 1)


def test_as_many_loops_as_there_are_threads_but_one_may_be_long(stopping: threading.Event) -> None:
    ends, often = threading.Event(), threading.Event()
    long = [timer(lambda: ends.wait(SOON), f"long-{n}") for n in range(THREADS - 1)]

    Rota([*long, timer(often.set, "short", every=0.5)]).start(stopping)
    went_on = often.wait(SOON)
    ends.set()

    assert went_on


def test_of_loops_that_are_due_the_one_that_is_longest_overdue_comes_first(database: str) -> None:
    ran: list[str] = []
    ends = iter([False, False, True])
    rota = Rota([timer(lambda: ran.append("often"), "often", 0.001)])
    rota._began[timer(lambda: ran.append("seldom"), "seldom", 0.01)] = 0.0

    while not next(ends):
        one = rota._take(1)
        assert one is not None
        one.run()

    assert ran == ["seldom", "often"]


def test_a_loop_that_fails_is_run_again(stopping: threading.Event) -> None:
    tried, twice = [], threading.Event()

    def breaks() -> None:
        tried.append(1)
        if len(tried) == 2:
            twice.set()
        raise ZeroDivisionError

    Rota([timer(breaks)]).start(stopping)

    assert twice.wait(SOON)


@pytest.mark.parametrize("kind", [Misconfigured, Refused])
def test_a_loop_that_cannot_do_its_work_says_why_once_and_that_it_works_again(
    database: str, kind: type[InWords]
) -> None:
    words = "No provider account: set VOLLEY_TWILIO_ACCOUNT_SID."
    ends = iter([kind("no_carrier", words), kind("no_carrier", words), None])

    def work() -> None:
        if error := next(ends):
            raise error

    one = timer(work, name=f"works-{kind.__name__}")
    with capture_logs() as logged:
        for _ in range(3):
            assert loops.run(one, least=0)

    assert [(line["event"], line.get("reason")) for line in logged] == [
        ("loop.failed", words),
        ("loop.works_again", None),
    ]
