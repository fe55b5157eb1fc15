"""Whoever waits in vain is told what for, and what was there instead."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import TooLate, eventually, ever, until


@pytest.fixture
def n() -> Iterator[int]:
    return itertools.count()


def test_it_returns_what_it_saw_as_soon_as_that_is_true(n: Iterator[int]) -> None:
    assert eventually(lambda: next(n) >= 3 and "three") == "three"
    assert next(n) == 4


def test_what_becomes_so_may_be_nothing_at_all(n: Iterator[int]) -> None:
    assert eventually(lambda: 2 - next(n), becomes=0) == 0


def test_in_vain_it_says_what_it_waited_for_and_what_it_saw_last(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("the end of the log")

    with pytest.raises(TooLate) as told:
        eventually(lambda: [7], "the eighth", becomes=[8], seconds=0.05, log=tmp_path / "log")

    assert str(told.value) == (
        "waited 0.05 s for the eighth to become [8]; seen last: [7]\nthe end of the log"
    )


def test_unless_told_what_it_waited_for_it_quotes_the_line() -> None:
    with pytest.raises(TooLate, match=r"for eventually\(lambda: sum\(\(\)\), sec.*; seen last: 0"):
        eventually(lambda: sum(()), seconds=0)
    with pytest.raises(TooLate, match=r"for Path\.exists; seen last: False"):
        eventually(Path("/no/such/place").exists, seconds=0)


def test_an_expected_error_is_what_it_saw_and_any_other_comes_out() -> None:
    def fails() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(TooLate, match="seen last: ConnectionRefusedError"):
        eventually(fails, seconds=0, despite=(ConnectionError,))
    with pytest.raises(ConnectionRefusedError):
        eventually(fails, seconds=0, despite=(TimeoutError,))


def test_it_looks_once_more_after_the_end(n: Iterator[int]) -> None:
    assert eventually(lambda: next(n) == 1, seconds=0.01, every=0.05)


def test_what_must_not_come_may_be_asked_for(n: Iterator[int]) -> None:
    assert ever(lambda: next(n), becomes=2, seconds=5)
    assert not ever(lambda: False, seconds=0.05)


def test_the_event_loop_turns_while_it_waits() -> None:
    async def live() -> list[int]:
        seen: list[int] = []
        asyncio.get_running_loop().call_later(0.02, seen.append, 1)
        return await until(lambda: seen)

    assert asyncio.run(live()) == [1]
