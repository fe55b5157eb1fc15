"""Two statements that are written out side by side do the same to the same rows.

Each is run in the same transaction, so at the same instant, and undone before the other runs.
"""

import itertools
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from shared.db.session import transaction
from shared.domain.message import RANK, MessageStatus
from shared.ledger import callbacks, evidence
from shared.ledger import claim as claiming
from shared.ledger.evidence import Evidence
from tests.support import factories, ledger
from tests.support.ledger import Scene

#: What a claim and evidence may change, without what is read off the wall clock.
MESSAGES = "SELECT * FROM message ORDER BY id"
ATTEMPTS = """
    SELECT message_id, part, n, token, status, outcome, sid, account, sender, charged, error_code,
           error_message, check_at IS NULL AS ended, recorded_at IS NULL AS open
    FROM attempt ORDER BY message_id, part, n
"""
EVENTS = """
    SELECT message_id, kind, details - 'source' AS details FROM event ORDER BY message_id, kind
"""


def test_where_no_sender_has_a_limit_both_claims_decide_alike(scene: Scene) -> None:
    hints = in_every_situation(scene)
    tokens = {message_id: uuid.uuid4() for message_id, _ in hints}
    ran = []

    def run(connection: Connection) -> Any:
        return claiming.claim(
            connection, hints, by="test:1", reconcile_after=timedelta(1), tokens=tokens
        )

    def limits_elsewhere(connection: Connection) -> Any:
        connection.execute(
            text("INSERT INTO sender_limit (number, segments_per_day) VALUES ('+14155550000', 1)")
        )
        ran.append(connection.execute(claiming._ENTER, {"gate": claiming.GATE}).one().limits)
        return run(connection)

    without, with_limits = both(run, limits_elsewhere)

    assert without == with_limits
    assert ran == [True]
    claimed, refused = without[0]
    assert len(claimed) >= 3
    assert {verdict for _, verdict in refused} == {"suppressed", "expired", "cancelled", "held",
                                                   "waits"}  # fmt: skip


def test_what_is_told_and_what_a_callback_keeps_move_the_same_rows_alike(scene: Scene) -> None:
    said = about_every_status(scene)

    def told(connection: Connection) -> Any:
        return sorted_(evidence.apply(connection, said, poll_after=ledger.POLL))

    def kept(connection: Connection) -> Any:
        taken = callbacks.take(connection, 1000)
        assert taken.count == len(said)
        assert taken.places is not None
        return sorted_(
            evidence.apply_kept(connection, taken.places, coded=taken.coded, poll_after=ledger.POLL)
        )

    for one in said:
        ledger.called_back(one.message_id, one.token, one.status, sid=one.sid, code=one.error_code)

    by_answer, by_callback = both(told, kept)

    assert by_answer == by_callback
    assert by_answer[0][0] > 100  # of those, so many were raised


def in_every_situation(scene: Scene) -> list[tuple[int, int]]:
    """Messages that may go and that may not, each for a reason of its own; their hints."""
    campaigns = [
        scene.campaign,
        factories.campaign(scene.agent, status="cancelled"),
        factories.campaign(scene.agent, status="paused"),
        factories.campaign(scene.agent, send_before=text("now()")),
    ]
    for campaign in campaigns:
        factories.message(campaign, scene.agent)
    factories.message(scene.campaign, factories.agent())  # it has no sender to speak from
    scene.message(phone="+12025550123")
    factories.change(
        "INSERT INTO suppression (phone, scope, source) VALUES ('+12025550123', 'all', 'test')"
    )
    scene.message(parts=("one", "two"), part=1, sender=scene.senders[1])
    scene.message(sender=scene.senders[0])
    factories.change(
        "INSERT INTO hold (agent_key, scope, subject, code, fix) "
        "VALUES (:agent, 'sender', :number, 1, 'mend it')",
        agent=scene.agent, number=scene.senders[0],
    )  # fmt: skip
    rows = factories.rows(
        "SELECT id, (extract(epoch FROM due_at) * 1000000)::bigint AS due FROM message ORDER BY id"
    )
    return [(row.id, row.due) for row in rows]


def about_every_status(scene: Scene) -> list[Evidence]:
    """For a message in every status, with a call in every state, each word there is."""
    said = []
    proofs = [status for status, rank in RANK.items() if rank]
    for status, called, proof in itertools.product(MessageStatus, RANK, proofs):
        wanted = factories.message(scene.campaign, scene.agent, status=status)
        token = factories.attempt(wanted, status=called)
        code = 30008 if proof in {"failed", "undelivered"} else None
        said.append(
            Evidence(wanted, token, f"SM{token.hex}", proof, error_code=code, source="callback")
        )
    factories.change(
        "UPDATE message m SET token = a.token FROM attempt a WHERE a.message_id = m.id"
    )
    return said


def both(*ways: Callable[[Connection], Any]) -> list[tuple[Any, ...]]:
    """What each way returns, and the rows as it leaves them."""
    found = []
    with transaction() as connection:
        for way in ways:
            undone = connection.begin_nested()
            answer = way(connection)
            left = [connection.execute(text(q)).fetchall() for q in (MESSAGES, ATTEMPTS, EVENTS)]
            found.append((answer, *left))
            undone.rollback()
    return found


def sorted_(applied: Any) -> tuple[object, ...]:
    return (
        applied.raised,
        sorted(applied.continued),
        sorted(applied.duplicates),
        sorted(repr(one) for one in applied.failures),
    )
