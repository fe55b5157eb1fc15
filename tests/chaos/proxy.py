"""A bad line: a TCP proxy that delays, mutes a direction, or hangs up, for any protocol."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

HERE = "127.0.0.1"
_HANG_UP = struct.pack("ii", 1, 0)


@dataclass
class Line:
    """How the line behaves now; may be changed from any thread at any time."""

    #: seconds each piece waits, in both directions
    latency: float = 0
    #: chance of each piece to be the last of its connection (a reset, to both sides)
    resets: float = 0
    #: chance of a COMMIT to arrive while its answer does not
    lost_commits: float = 0
    #: nothing passes to the server, or back; it waits as it does in a partition
    mute_up: bool = False
    mute_down: bool = False


@dataclass
class Proxy:
    """Listens on `port` of loopback for a server: its port on loopback, or its Unix socket."""

    target: int | str
    line: Line = field(default_factory=Line)
    port: int = 0
    #: how many connections were reset
    hung_up: int = 0

    def mend(self) -> None:
        """A good line again."""
        self.line = Line()

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        """Until `over`."""
        server = await asyncio.start_server(self._connection, HERE, 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await over.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._server()
        except OSError:
            writer.close()
            return
        both = (writer, back)
        pumps = [
            asyncio.create_task(self._pump(reader, back, both=both, up=True)),
            asyncio.create_task(self._pump(there, writer, both=both, up=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in both:
                end.close()

    async def _server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(HERE, self.target)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        both: tuple[asyncio.StreamWriter, ...],
        up: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                while self.line.mute_up if up else self.line.mute_down:
                    await asyncio.sleep(0.05)
                if self.line.latency:
                    await asyncio.sleep(self.line.latency)
                lost = up and b"COMMIT" in piece and random.random() < self.line.lost_commits
                if random.random() < self.line.resets:
                    self._hang_up(both)
                    return
                writer.write(piece)
                await writer.drain()
                if lost:
                    await asyncio.sleep(0.05)  # it has arrived by then
                    self._hang_up(both)
                    return

    def _hang_up(self, both: tuple[asyncio.StreamWriter, ...]) -> None:
        self.hung_up += 1
        for end in both:
            sock = end.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
            end.transport.abort()


@contextlib.contextmanager
def proxied(target: int | str) -> Iterator[Proxy]:
    """A proxy before that server (see Proxy), in a thread of its own."""
    proxy = Proxy(target)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(proxy.serve(ready, over)), daemon=True
    )
    thread.start()
    ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()
