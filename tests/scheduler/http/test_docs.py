"""The description is made once, and not where everybody waits for it."""

import asyncio
import threading
from typing import Any

import pytest
from fastapi import FastAPI, Request

from scheduler.http import docs


def test_those_who_ask_for_it_first_are_all_told_and_it_is_made_once_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = FastAPI()
    describe, made_in = app.openapi, []

    def openapi() -> dict[str, Any]:
        made_in.append(threading.get_ident())
        return describe()

    monkeypatch.setattr(app, "openapi", openapi)
    request = Request({"type": "http", "app": app})

    async def ask() -> list[bytes]:
        answers = await asyncio.gather(*(docs.openapi(request) for _ in range(20)))
        return [bytes(answer.body) for answer in answers]

    bodies = asyncio.run(ask())

    assert len(set(bodies)) == 1
    assert bodies[0].startswith(b'{"openapi"')
    assert len(made_in) == 1
    assert made_in[0] != threading.get_ident()
