"""A simulator to start and stop: in a thread of its own for tests, or as the whole process."""

import asyncio
import gc
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.request import Request as Asking
from urllib.request import urlopen

import orjson

from deploy.local.system.signals import heeded
from deploy.simulators.kit.http_server import Connection, Intake, Request

HOST = "127.0.0.1"  # loopback only: the log and the dials need no credentials (admin.py)


class Simulator(Protocol):
    """What a simulator must do. It is made on the event loop that it lives on."""

    def route(self, request: Request) -> None:
        """Answer one request, now or later."""

    def close(self) -> None:
        """Nothing more happens: no answer, no status, no callback."""


Make = Callable[[], Simulator]


def run(make: Make, *, port: int = 0, ready: Callable[[int], None] | None = None) -> None:
    """Be the simulator until a signal asks for the end. `ready` is told the port once it listens.

    Raises OSError when the port is taken.
    """

    async def serve() -> None:
        stop = asyncio.Event()
        for number in heeded():
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await _serve(make(), port, ready or (lambda _: None), stop)

    # History is never garbage: without this the collector walks a million messages again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000_000)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(serve())


class InThread:
    """A simulator in a thread of this process: `with InThread(make) as simulator: simulator.url`.

    `log`, `callbacks` and `control` ask GET /log, GET /callbacks and POST /control: a simulator
    that has these endpoints (admin.py) can be asked so.
    """

    def __init__(self, make: Make, *, port: int = 0, name: str = "simulator") -> None:
        self.port = port
        self._make = make
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._listening = threading.Event()
        self._failure: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Returns when the simulator listens. Raises OSError when the port is taken."""
        self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Returns when the thread has ended. Harmless when repeated."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def ask(self, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """What one of the simulator's own endpoints answers: GET, or POST when given a document."""
        body = None if document is None else orjson.dumps(document)
        with urlopen(Asking(self.url + path, data=body), timeout=10) as answer:
            return orjson.loads(answer.read())

    def log(self) -> list[dict[str, Any]]:
        """Every create so far."""
        return self._all("/log")

    def callbacks(self) -> list[dict[str, Any]]:
        """Every try to post a callback so far."""
        return self._all("/callbacks")

    def control(self, **changes: Any) -> dict[str, Any]:
        """Set dials; returns all of them."""
        dials: dict[str, Any] = self.ask("/control", changes)
        return dials

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _all(self, path: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        while page := self.ask(f"{path}?after={len(entries)}&limit=10000")["entries"]:
            entries += page
        return entries

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop) as runner:
                runner.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await _serve(self._make(), self.port, self._ready, self._stop)

    def _ready(self, port: int) -> None:
        self.port = port
        self._listening.set()


async def _serve(
    simulator: Simulator, port: int, ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    intake = Intake(simulator.route)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: Connection(intake), HOST, port, backlog=4096)
        try:
            ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        finally:
            server.close()
            for connection in tuple(intake.living):
                connection.close()
    finally:
        simulator.close()
        await asyncio.sleep(0)  # transports close on the loop's next turn


def _loop() -> asyncio.AbstractEventLoop:
    """A uvloop where there is one; the standard loop does the same, more slowly."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
