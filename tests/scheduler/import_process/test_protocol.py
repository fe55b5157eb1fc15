"""What a parent and its child say to each other arrives as it was said."""

import socket

import pytest

from scheduler.import_process import protocol
from scheduler.ingest.load.turns import Turn


@pytest.mark.parametrize("turn", [None, Turn(), Turn(quick=True), Turn(failed=(3, 2**40))])
def test_a_child_hears_when_its_import_gives_way_and_then_that_it_is_to_end(
    turn: Turn | None,
) -> None:
    parent, child = socket.socketpair()
    with parent, child:
        protocol.say_turn(parent, turn)
        parent.send(protocol.STOP)

        assert protocol.hear_turn(child) == turn
        assert child.recv(1) == protocol.STOP


def test_a_parent_that_is_no_more_says_nothing() -> None:
    parent, child = socket.socketpair()
    parent.close()
    with child:
        assert protocol.hear_turn(child) is None
