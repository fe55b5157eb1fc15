"""The ledger's moves as one-liners, each in a transaction of its own, as processes make them."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from shared.db.session import retried, transaction
from shared.domain.carrier_day import ZONE
from shared.domain.message import RANK
from shared.ledger import callbacks, evidence, record
from shared.ledger import claim as claiming
from shared.ledger import due as lanes
from shared.ledger.callbacks import CallbackRow
from shared.ledger.claim import Claimed
from shared.ledger.evidence import Applied, Evidence
from shared.ledger.record import Doubt, Refusal, Return
from tests.support import factories
from tests.support.eventually import eventually

POLL = timedelta(hours=1)
RECONCILE = timedelta(seconds=30)
STALE = timedelta(seconds=30)
#: SQL: the carriers' day, and when the next begins
TODAY = f"(now() AT TIME ZONE '{ZONE}')::date"
TOMORROW = f"(({TODAY} + 1)::timestamp AT TIME ZONE '{ZONE}')"


class Scene:
    """One agent with two senders and a running campaign."""

    def __init__(self, **columns: Any) -> None:
        self.agent = factories.agent()
        self.senders = [factories.sender(self.agent) for _ in range(2)]
        self.campaign = factories.campaign(self.agent, **columns)

    def message(self, **columns: Any) -> int:
        """A message of this campaign, ready and due."""
        return factories.message(self.campaign, self.agent, **columns)

    def hint(self, n: int = 100) -> list[tuple[int, int]]:
        """Hint what is due: (message id, the due_at it wrote)."""
        with transaction() as connection:
            hints = lanes.hint(connection, [(self.campaign, self.agent, n)], stale=STALE)
        return [(h.message_id, h.due) for h in hints]

    def claimed(self, **columns: Any) -> Claimed:
        """A message of this campaign, claimed."""
        wanted = self.message(**columns)
        return self.claim(wanted)

    def claim(self, message_id: int) -> Claimed:
        """Hint and claim just this message."""
        factories.change("UPDATE message SET due_at = now() WHERE id = :id", id=message_id)
        due = factories.one(
            "SELECT (extract(epoch FROM due_at) * 1000000)::bigint AS due FROM message "
            "WHERE id = :id", id=message_id,
        ).due  # fmt: skip
        (made,), _ = claim([(message_id, due)])
        return made


def claim(hints: list[tuple[int, int]]) -> tuple[list[Claimed], list[tuple[int, str]]]:
    """Claim under these hints."""
    with transaction() as connection:
        return claiming.claim(connection, hints, by="test:1", reconcile_after=RECONCILE)


def said(
    message_id: int, token: uuid.UUID, status: str, *, sid: str | None = None, **facts: Any
) -> Evidence:
    """One observation; the SID follows from the token unless it is given."""
    return Evidence(message_id, token, sid or f"SM{token.hex}", status, **facts)


def apply(*proofs: Evidence) -> Applied:
    """Apply evidence."""
    return retried(lambda connection: evidence.apply(connection, proofs, poll_after=POLL))


def give_back(one: Claimed, outcome: str = "not written", **facts: Any) -> list[tuple[int, str]]:
    """The worker knows that it did not go."""
    back = Return(one.message_id, one.token, outcome, **facts)
    return retried(lambda connection: record.give_back(connection, [back]))


def proved_not_gone(one: Claimed) -> list[tuple[int, str]]:
    """The reconciler knows that it did not go."""
    return give_back(one, record.PROVED_NOT_GONE, counts=True)


def refuse(one: Claimed, code: int | None = 21211, *, suppress: bool = False) -> list[int]:
    """The provider refused it for good."""
    refusal = Refusal(one.message_id, one.token, "refused", error_code=code, suppress=suppress)
    return retried(lambda connection: record.refuse(connection, [refusal]))


def doubt(one: Claimed) -> None:
    """Nobody saw the end of the call."""
    doubted = Doubt(one.message_id, one.token, "time-out")
    retried(lambda connection: record.doubt(connection, [doubted]))


def park(one: Claimed) -> list[int]:
    """The reconciler gives up."""
    return retried(lambda connection: record.park(connection, [(one.message_id, one.token)]))


def called_back(
    message_id: int,
    token: uuid.UUID,
    status: str,
    *,
    sid: str | None = None,
    code: int | None = None,
    account: str = factories.ACCOUNT,
) -> None:
    """The edge keeps a genuine callback."""
    kept = CallbackRow(
        provider="twilio", message_id=message_id, part=0, token=token, sid=sid or f"SM{token.hex}",
        status=status, rank=RANK.get(status, 0), error_code=code, raw="{}",
        account=account,
    )  # fmt: skip
    with transaction() as connection:
        callbacks.keep(connection, [kept])


def state(message_id: int) -> Any:
    """The message's row."""
    return factories.one("SELECT * FROM message WHERE id = :id", id=message_id)


def attempts(message_id: int) -> list[Any]:
    """Its attempts, in order."""
    return factories.rows("SELECT * FROM attempt WHERE message_id = :id ORDER BY n", id=message_id)


def events(message_id: int) -> list[str]:
    """The kinds of its events, in order."""
    found = factories.rows(
        "SELECT kind FROM event WHERE message_id = :id ORDER BY id", id=message_id
    )
    return [row.kind for row in found]


class Waits:
    """`work` in a thread that is expected to wait for a lock; its result after `join`."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error

    def join(self) -> Any:
        """The result, or the error raised here."""
        self._thread.join(20)
        assert not self._thread.is_alive(), "it still waits"
        if self.error is not None:
            raise self.error
        return self.result


def until_waiting(connection: Connection, sessions: int = 1) -> None:
    """Return when that many other sessions of this database wait for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def do_wait() -> bool:
        connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        return int(connection.exec_driver_sql(query).scalar_one()) >= sessions

    eventually(do_wait, f"{sessions} other sessions to wait for a lock", every=0.005)
