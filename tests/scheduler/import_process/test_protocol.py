"""What a parent and its child say to each other arrives as it was said."""

import socket

import orjson
import pytest

from scheduler.import_process import protocol
from scheduler.ingest.load.turns import Turn
from scheduler.ingest.uploads import LeaseLost
from shared.errors import Misconfigured, Refused


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


@pytest.mark.parametrize(
    "error",
    [
        Refused("unknown_column", "There is no column 'x'.", details={"columns": ["phone", "y"]}),
        Misconfigured("no_database", "Set VOLLEY_DATABASE_URL."),
        LeaseLost("another has it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_import_ends_of_is_raised_in_the_parent_as_the_same_error(error: Exception) -> None:
    said = orjson.loads(orjson.dumps(protocol.told(error)))

    again = protocol.raised(said)

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_bug_of_an_import_is_told_by_its_name_alone() -> None:
    again = protocol.raised(protocol.told(ZeroDivisionError("s3cret")))

    assert (type(again), "s3cret" in str(again)) == (protocol.ImportFailed, False)
