"""A sending process while Postgres is away: it claims nothing, and tells of that once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.told import Told
from worker.send import engine as engine_module
from worker.send.engine import Engine
from worker.send.slots import Due


def test_claims_that_fail_in_a_row_are_told_of_once_and_so_is_the_one_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch, engine_module)
    nobody: Any = SimpleNamespace()
    engine = Engine(nobody, nobody, nobody)
    tries = []

    def claim(_: object) -> tuple[list[object], list[object]]:
        tries.append(1)
        if len(tries) <= 3:
            raise OperationalError("", None, ConnectionRefusedError())
        return [], []

    monkeypatch.setattr(engine, "_claim_in_thread", claim)

    async def run() -> None:
        engine._loop.close()
        engine._loop = asyncio.get_running_loop()
        for _ in range(5):
            await engine._claim([Due(slot=1.0, message_id=1, due=1)])

    asyncio.run(run())

    assert told.events == ["claim.failed", "claim.works_again"]
    assert told[0][1] == {"error": "OperationalError", "messages": 1}
    assert told.failures("claim.works_again") == 3
