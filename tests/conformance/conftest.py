"""One guest at a time, its adapter as the worker gets it, and an ear for its callbacks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pkgutil import iter_modules
from threading import Thread
from typing import Protocol, TypeVar

import pytest

from shared.providers import adapters
from shared.providers.base import Sends
from tests.conformance import guests
from tests.conformance.guest import Guest
from tests.support.environment import environment
from tests.support.eventually import eventually, until

T = TypeVar("T")
Scene = Callable[[Sends], Awaitable[T]]


class Play(Protocol):
    """Run a scene with the guest's adapter, warm, on an event loop of its own."""

    def __call__(self, scene: Scene[T]) -> T: ...


@dataclass
class Heard:
    """One callback as it came in: `query` is the raw one of our address."""

    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Ear:
    """Where callbacks come in. `public_url` is what we tell the provider."""

    public_url: str
    heard: list[Heard] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def wait(self, count: int) -> list[Heard]:
        """The callbacks, once there are `count` of them."""
        eventually(lambda: len(self.heard) >= count, seconds=20)
        return self.heard


@pytest.fixture(params=[module.name for module in iter_modules(guests.__path__)])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A provider whose simulator runs."""
    with import_module(f"{guests.__name__}.{request.param}").start() as running:
        yield running


@pytest.fixture
def play(guest: Guest) -> Iterator[Play]:
    def run(scene: Scene[T]) -> T:
        async def live() -> T:
            try:
                return await scene(await warm(guest))
            finally:
                await adapters.close_adapters()

        return asyncio.run(asyncio.wait_for(live(), 60))

    with environment(http_timeout="2,0.5", allow_private_urls=1):
        yield run


@pytest.fixture
def ear() -> Iterator[Ear]:
    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path, _, query = self.path.partition("?")
            kept.paths.append(path)
            kept.heard.append(Heard(query, dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    kept = Ear(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


async def warm(guest: Guest, count: int = 1) -> Sends:
    """The guest's adapter with a connection in hand."""
    adapter = adapters.adapter_for(guest.provider, guest.credentials)
    adapter.warm(count)
    await until(adapter.ready, seconds=20)
    return adapter
