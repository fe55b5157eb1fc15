"""The simulator's HTTP client: it looks after calls while there are any, and at no other time."""

import asyncio
from contextlib import suppress

from deploy.simulators.kit.http_client import Call, Client, Failure, Origin
from tests.support.eventually import until

ANSWER = b"HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n"


class Asked(Call):
    """A call whose outcome is awaited."""

    __slots__ = ("outcome",)

    def __init__(self, port: int, path: str, *, read: float = 20) -> None:
        self.origin = Origin(secure=False, host="127.0.0.1", port=port)
        self.data = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()
        self.connect, self.read = 20, read
        self.outcome = asyncio.get_running_loop().create_future()

    def done(self, outcome: int | Failure) -> None:
        self.outcome.set_result(outcome)


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that is silent where it is asked to be."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            if b"/silence" not in await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
    writer.close()


def test_between_two_calls_nobody_looks_and_the_second_is_still_given_up_in_time() -> None:
    async def live() -> tuple[object, object]:
        server = await asyncio.start_server(_answers, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client(lambda: 4)
        first, second = Asked(port, "/"), Asked(port, "/silence", read=0.2)
        client.send(first)
        answered = await asyncio.wait_for(first.outcome, 20)
        (pool,) = client._pools.values()
        await until(lambda: pool._sweep is None)  # never, if it went on looking

        client.send(second)
        outcome = await asyncio.wait_for(second.outcome, 20)
        client.close()
        server.close()
        return answered, outcome

    assert asyncio.run(asyncio.wait_for(live(), 60)) == (204, Failure.READ)
