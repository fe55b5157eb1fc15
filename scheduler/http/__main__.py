"""`python -m scheduler.http`: the HTTP API as a process."""

import asyncio
import gc
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Final, cast

import uvicorn

from scheduler.http.app import create_app
from scheduler.http.connections import Bounds, Connections
from scheduler.http.pipelines import fair
from shared.logging import configure_logging
from shared.settings import settings

#: An open event stream would hold a stop up for ever.
_GRACE_SECONDS: Final = 3
#: File descriptors for everything that is no client's connection.
_OTHER_FILES: Final = 200
#: Seconds between two looks while nothing happens: the Date header shows whole ones.
_LOOK_EVERY: Final = 1.0
#: The loop takes one connection of each listener in a turn: with one, whoever asks whether this
#: process lives waits for as many turns as there are connections of a crowd before his.
_LISTENERS: Final = 16
#: What uvicorn's own command ends with.
_NOT_STARTED: Final = 3


class Server(uvicorn.Server):
    """uvicorn's looks ten times a second whether it is to end. This one looks once a second, to
    renew the Date header, and a signal wakes it. And it takes several connections at a time.
    """

    _woken: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop, config = asyncio.get_running_loop(), self.config

        def connect() -> asyncio.Protocol:
            made = cast(Callable[..., asyncio.Protocol], config.http_protocol_class)
            return made(
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        for listening in [one for server in self.servers for one in server.sockets]:
            for _ in range(_LISTENERS - 1):
                again = listening.dup()
                self.servers.append(
                    await loop.create_server(connect, sock=again, backlog=config.backlog)
                )

    async def main_loop(self) -> None:
        self._woken = asyncio.Event()
        while not await self.on_tick(0):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_EVERY)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._woken is not None:
            asyncio.get_running_loop().call_soon_threadsafe(self._woken.set)


def main() -> None:
    """Serve until a signal comes."""
    configure_logging("api")
    app = create_app()
    _keep_pauses_short()
    config = uvicorn.Config(
        app,
        host=settings().http_host,
        port=settings().http_port,
        http=fair(Connections(_bounds())),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the app reads them itself
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


def _bounds() -> Bounds:
    """As many connections as there may be, or as this process has file descriptors for."""
    most = Bounds()
    needed = 2 * most.connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = needed if soft == resource.RLIM_INFINITY else soft
    return replace(most, connections=min(most.connections, (files - _OTHER_FILES) // 2))


def _keep_pauses_short() -> None:
    """Keep callbacks from waiting for a busy thread or for the garbage collector.

    The collector runs by the number of living objects, and callbacks under way are many: it ran a
    hundred times a second over all imported objects, and found nothing.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()  # exclude imported objects: they stay
    gc.set_threshold(20_000, 10, 10)


if __name__ == "__main__":
    main()
