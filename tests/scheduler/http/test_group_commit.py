"""Callbacks while a server is away: kept, and told of once, not with each callback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from scheduler.http.callbacks import group_commit, signing_tokens
from scheduler.http.callbacks.group_commit import Keeper
from scheduler.http.callbacks.signing_tokens import Tokens
from shared.ledger import callbacks
from tests.scheduler.http.callbacks.test_spool import callback
from tests.support.eventually import until
from tests.support.told import Told


@asynccontextmanager
async def running() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


def away(*_: object) -> Any:
    raise OperationalError("", None, ConnectionRefusedError())


def test_a_database_that_is_away_for_many_callbacks_is_told_of_when_it_goes_and_is_back(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch, group_commit)
    monkeypatch.setattr(group_commit, "SPOOL_EVERY", 0.02)
    monkeypatch.setattr(group_commit, "publish", lambda _: 1)
    spool_tries = []

    def store(*_: object) -> None:
        spool_tries.append(1)
        away()

    async def run() -> None:
        async with running() as keeper:
            with monkeypatch.context() as patch:
                patch.setattr(callbacks.Writer, "keep", away)
                patch.setattr(group_commit, "_store", store)
                for n in range(1, 6):
                    assert await keeper.keep(callback(n))
                await until(lambda: len(spool_tries) >= 3, seconds=20)
            assert await keeper.keep(callback(6))
            await until(lambda: "callbacks.spool_moves_again" in told.events, seconds=20)

    asyncio.run(run())

    assert sorted(told.events) == [
        "callbacks.spool_moves_again",
        "callbacks.spool_waits",
        "callbacks.spooled",
        "callbacks.stored_again",
    ]
    assert told.failures("callbacks.stored_again") == 5
    assert told.failures("callbacks.spool_moves_again") == len(spool_tries)


def test_hints_that_fail_are_told_of_once_and_so_is_the_one_that_gets_through(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch, group_commit)
    monkeypatch.setattr(group_commit, "HINT_EVERY", 0)
    tries = []

    def publish(_: object) -> int:
        tries.append(1)
        if len(tries) <= 3:
            raise RuntimeError
        return 1

    monkeypatch.setattr(group_commit, "publish", publish)

    async def run() -> None:
        async with running() as keeper:
            for n in range(1, 5):
                assert await keeper.keep(callback(n))
                await until(lambda n=n: len(tries) == n, seconds=20)  # type: ignore[misc]
            await until(lambda: len(told), becomes=2, seconds=20)

    asyncio.run(run())

    assert told.events == ["callbacks.not_hinted", "callbacks.hinted_again"]
    assert told.failures("callbacks.hinted_again") == 3


def test_accounts_that_cannot_be_read_are_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, signing_tokens)
    made = Tokens()

    async def run() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(signing_tokens, "_own_tokens", away)
            for _ in range(3):
                await made._read()
        monkeypatch.setattr(signing_tokens, "_own_tokens", dict)
        await made._read()

    asyncio.run(run())

    assert told.events == ["callbacks.tokens_not_read", "callbacks.tokens_read_again"]
    assert told.failures("callbacks.tokens_read_again") == 3
