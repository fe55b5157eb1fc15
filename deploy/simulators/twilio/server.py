"""A carrier to start and stop: in a thread of its own for tests, or as the whole process."""

import asyncio
import gc
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

import orjson

from deploy.local.system.signals import heeded
from deploy.simulators.kit.http_server import Connection, Intake
from deploy.simulators.twilio.accounts import DEFAULT_SID, Account, new_token
from deploy.simulators.twilio.controls import ScriptFile
from deploy.simulators.twilio.routes import Router

HOST = "127.0.0.1"  # loopback only: the log and the dials need no credentials (admin.py)
SCRIPT = Mapping[str, Any] | Path | None


def run(
    *, port: int = 0, seed: int = 0, script: SCRIPT = None, account_sid: str = DEFAULT_SID,
    auth_token: str | None = None, ready: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Be the carrier until a signal asks for the end. `ready` is told the port once it listens.

    Raises OSError when the port is taken, and OSError or pydantic.ValidationError for the script.
    """
    account = Account(account_sid, auth_token or new_token())
    read = _read(script)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in heeded():
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await _serve(Router(account, read, seed), port, ready or (lambda _: None), stop)

    # History is never garbage: without this the collector walks a million messages again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000_000)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(serve())


class Carrier:
    """A carrier in a thread of this process: `with Carrier() as carrier: carrier.url`."""

    def __init__(
        self, *, port: int = 0, seed: int = 0, script: SCRIPT = None,
        account_sid: str = DEFAULT_SID, auth_token: str | None = None,
    ) -> None:  # fmt: skip
        self.account_sid = account_sid
        self.auth_token = auth_token or new_token()
        self.port = port
        self._seed = seed
        self._script = _read(script)
        self._thread = threading.Thread(target=self._live, name="carrier", daemon=True)
        self._listening = threading.Event()
        self._failure: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Returns when the carrier listens. Raises OSError when the port is taken."""
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
        with urlopen(Request(self.url + path, data=body), timeout=10) as answer:
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
        account = Account(self.account_sid, self.auth_token)
        router = Router(account, self._script, self._seed)
        await _serve(router, self.port, self._ready, self._stop)

    def _ready(self, port: int) -> None:
        self.port = port
        self._listening.set()


async def _serve(
    router: Router, port: int, ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    intake = Intake(router.route)
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
        router.close()
        await asyncio.sleep(0)  # transports close on the loop's next turn


def _read(script: SCRIPT) -> ScriptFile:
    if script is None:
        return ScriptFile()
    if isinstance(script, Path):
        return ScriptFile.read(script)
    return ScriptFile.model_validate(script)


def _loop() -> asyncio.AbstractEventLoop:
    """A uvloop where there is one; the standard loop does the same, more slowly."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
