"""When an acknowledgement is sent over AMQP, and who hears that it failed.

What its delay does to a campaign: tests/chaos/test_resumption.py.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.asynchronous import Hub

from shared.queue.consumer import Attached


class Message:
    """One that came over AMQP."""

    def __init__(self, *, lost: bool = False, broken: bool = False) -> None:
        self.channel = SimpleNamespace(connection=None if lost else object())
        self.acknowledged: list[object] = []
        self._broken = broken

    def ack_log_error(self, _: object, merely_logged: tuple[object, ...]) -> None:
        if self._broken:
            raise ConnectionResetError
        self.acknowledged.append(merely_logged)


@pytest.fixture
def consumer() -> Iterator[Any]:
    made = Attached.__new__(Attached)
    made.hub = Hub()
    yield made
    # What failed may have come before the loop's own stop, which closing would run now.
    made.hub._ready.clear()
    made.hub.close()


def turn(consumer: Any) -> None:
    """The loop's next turn."""
    consumer.hub.run_once()


def test_it_is_sent_before_the_loop_waits_for_the_broker(consumer: Any) -> None:
    message = Message()

    consumer.call_soon_ack(message.ack_log_error, None, (OSError,))

    assert message.acknowledged == [()]
    turn(consumer)
    assert message.acknowledged == [()]


def test_one_that_fails_ends_the_loop_and_so_the_connection(consumer: Any) -> None:
    consumer.call_soon_ack(Message(broken=True).ack_log_error, None, (OSError,))

    with pytest.raises(ConnectionResetError):
        turn(consumer)


def test_a_message_of_a_lost_connection_is_left_to_the_broker(consumer: Any) -> None:
    message = Message(lost=True)

    consumer.call_soon_ack(message.ack_log_error, None, (OSError,))
    turn(consumer)

    assert message.acknowledged == []
