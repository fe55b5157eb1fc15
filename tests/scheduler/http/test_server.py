"""The API's process: it sleeps while nothing happens, and hears a signal all the same."""

import asyncio
import signal
import socket
from typing import Any

import pytest
import uvicorn
import uvloop
from fastapi import FastAPI

from scheduler.http import __main__ as process
from scheduler.http.__main__ import Server
from tests.support.eventually import until


def _server() -> Server:
    config = uvicorn.Config(FastAPI(), log_config=None)
    config.load()
    return Server(config)


def test_a_signal_ends_the_server_before_its_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK_EVERY", 60.0)

    async def live() -> None:
        server = _server()
        asyncio.get_running_loop().call_later(0.1, server.handle_exit, signal.SIGTERM, None)
        await asyncio.wait_for(server.main_loop(), 20)

    asyncio.run(live())


def test_a_signal_that_comes_while_it_starts_is_not_lost() -> None:
    async def live() -> None:
        server = _server()
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(server.main_loop(), 20)

    asyncio.run(live())


def test_the_date_of_answers_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK_EVERY", 0.01)

    async def live() -> bytes:
        server = _server()
        ends = asyncio.create_task(server.main_loop())
        await asyncio.sleep(0.05)
        server.server_state.default_headers = []
        await until(lambda: server.server_state.default_headers)
        server.handle_exit(signal.SIGTERM, None)
        await ends
        return server.server_state.default_headers[0][0]

    assert asyncio.run(asyncio.wait_for(live(), 20)) == b"date"


def test_a_crowd_of_connections_is_taken_in_few_turns_of_the_loop() -> None:
    async def live() -> int:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("nobody asks anything")

        config = uvicorn.Config(app, port=0, lifespan="off", log_config=None)
        config.load()
        server = Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        address = server.servers[0].sockets[0].getsockname()
        crowd = [socket.create_connection(address) for _ in range(128)]
        turns = 0
        while len(server.server_state.connections) < len(crowd):
            await asyncio.sleep(0)
            turns += 1
        for one in crowd:
            one.close()
        await server.shutdown()
        return turns

    assert uvloop.run(asyncio.wait_for(live(), 20)) < 64  # one by one it would be 128
