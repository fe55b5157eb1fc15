"""A code that comes after the message was accepted holds what it speaks of, once."""

import pytest
from sqlalchemy import text

from shared.db.session import transaction
from shared.ledger import callbacks, due
from shared.ledger.callbacks import CallbackRow
from shared.ledger.evidence import Failure
from shared.ledger.late_failures import react
from tests.support import factories, ledger


def undelivered(scene: ledger.Scene, code: int, *, status: str = "undelivered") -> None:
    """One message of the scene was accepted, and then its callback says why it did not arrive."""
    call = scene.claimed()
    told = CallbackRow(
        provider="twilio",
        message_id=call.message_id,
        part=0,
        token=call.token,
        sid=f"SM{call.token.hex}",
        status=status,
        rank=3,
        error_code=code,
        raw="",
        account=factories.ACCOUNT,
    )
    with transaction() as connection:
        callbacks.keep(connection, [told])
    callbacks.drain(ledger.POLL)


def holds() -> list[tuple[str, str, int]]:
    with transaction() as connection:
        found = connection.execute(
            text("SELECT scope, subject, code FROM hold WHERE lifted_at IS NULL ORDER BY code")
        )
        return [tuple(row) for row in found]


def test_a_code_about_the_sender_takes_that_sender_out_of_the_pool(database: str) -> None:
    scene = ledger.Scene()
    undelivered(scene, 30034)

    ((scope, subject, code),) = holds()

    assert (scope, code) == ("sender", 30034)
    assert subject.startswith("+")


def test_the_same_code_again_is_the_same_hold(database: str) -> None:
    scene = ledger.Scene()
    undelivered(scene, 30034)
    ((_, sender, _),) = holds()
    again = Failure(1, scene.agent, "twilio", sender, "+12025550101", 30034)

    with transaction() as connection:
        react(connection, [again, again])

    assert len(holds()) == 1


def test_an_opt_out_learnt_from_a_callback_is_a_suppression(database: str) -> None:
    scene = ledger.Scene()
    undelivered(scene, 21610, status="failed")

    with transaction() as connection:
        sources = connection.execute(text("SELECT source FROM suppression")).scalars().all()

    assert sources == ["provider"]
    assert holds() == []


def test_a_code_about_the_handset_holds_nobody(database: str) -> None:
    scene = ledger.Scene()
    undelivered(scene, 30003)

    assert holds() == []


@pytest.mark.parametrize("scope", ["agent", "account"])
def test_the_lanes_of_a_held_agent_are_not_dispatched(database: str, scope: str) -> None:
    scene = ledger.Scene()
    scene.message()
    with transaction() as connection:
        free = due.with_work(connection)
        connection.execute(
            text(
                "INSERT INTO hold (agent_key, scope, code, until, fix)"
                " SELECT key, :scope, 1, now() + interval '1 hour', '' FROM agent"
            ),
            {"scope": scope},
        )
        held = due.with_work(connection)

    assert (len(free), held) == (1, [])
