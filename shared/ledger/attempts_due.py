"""Attempts that want to be looked after: `check_at` is all that reconciler and poller read."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.domain.wording import part_of
from shared.ledger.routing import opened
from shared.opaque import Json


@dataclass(frozen=True, slots=True)
class Check:
    """An attempt whose time has come: to be reconciled while `sending`, to be polled after."""

    message_id: int
    part: int
    n: int
    token: uuid.UUID
    status: str
    sid: str | None
    sender: str | None
    #: the pool of senders it may have gone through, in the provider's word
    sender_pool: str | None
    claimed_at: datetime
    checks: int
    phone: str
    text: str
    provider: str
    #: the one it was called with, whatever its agent has now
    account: str
    #: that account's own credentials; None for the platform's, or when nobody has them any more
    own: Json | None
    #: why they cannot be opened
    trouble: str | None


# Leased for a while, so that two sweeps do not ask the provider twice; a sweep that dies loses
# nothing.
_TAKE = text("""
    WITH due AS MATERIALIZED (
        SELECT message_id, part, n FROM attempt WHERE check_at <= now()
        ORDER BY check_at LIMIT :size FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE attempt a SET check_at = now() + :lease, checks = a.checks + 1 FROM due
        WHERE a.message_id = due.message_id AND a.part = due.part AND a.n = due.n
        RETURNING a.*
    )
    SELECT t.message_id, t.part, t.n, t.token, t.status, t.sid, t.sender, t.claimed_at, t.checks,
           r.phone, m.body, m.cuts, a.provider, coalesce(t.account, a.account) AS account,
           CASE WHEN coalesce(t.account, a.account) = a.account THEN a.credentials ELSE coalesce(
               (SELECT credentials FROM agent WHERE account = t.account
                AND credentials IS NOT NULL ORDER BY deleted_at DESC NULLS FIRST LIMIT 1),
               (SELECT credentials FROM former_account WHERE account = t.account)
           ) END AS credentials,
           coalesce(c.settings #>> '{options,messaging_service_sid}', a.messaging_service_sid)
               AS sender_pool
    FROM taken t
    JOIN message m ON m.id = t.message_id
    JOIN recipient r ON r.id = m.recipient_id
    JOIN campaign c ON c.id = m.campaign_id
    JOIN agent a ON a.key = m.agent_key
    ORDER BY t.claimed_at
""")
_BOUND = text("SELECT sid FROM attempt WHERE sid = ANY (CAST(:sids AS text[]))")
_ACCEPTED_AFTER = text("""
    SELECT EXISTS (SELECT 1 FROM attempt
        WHERE sid = ANY (CAST(:sids AS text[])) AND claimed_at > :after)
""")
_ELDER = text("""
    SELECT EXISTS (SELECT 1 FROM recipient r JOIN message m ON m.recipient_id = r.id
        JOIN attempt a ON a.message_id = m.id
        JOIN agent ON agent.key = m.agent_key
        WHERE r.phone = :phone AND a.status = 'sending'
          AND coalesce(a.account, agent.account) = :account
          AND (a.claimed_at, a.token) < (:claimed_at, :token))
""")
_AGAIN = text("""
    UPDATE attempt SET check_at = :at
    WHERE message_id = :message_id AND part = :part AND n = :n AND check_at IS NOT NULL
""")


def take(connection: Connection, size: int, *, lease: timedelta) -> list[Check]:
    """Attempts whose time has come, ours for `lease`."""
    return [_check(row) for row in connection.execute(_TAKE, {"size": size, "lease": lease})]


def _check(row: Row[Any]) -> Check:
    own, trouble = opened(row.credentials)
    return Check(
        message_id=row.message_id,
        part=row.part,
        n=row.n,
        token=row.token,
        status=row.status,
        sid=row.sid,
        sender=row.sender,
        sender_pool=row.sender_pool,
        claimed_at=row.claimed_at,
        checks=row.checks,
        phone=row.phone,
        text=part_of(row.body, row.cuts, row.part),
        provider=row.provider,
        account=row.account,
        own=own,
        trouble=trouble,
    )


def bound(connection: Connection, sids: Sequence[str]) -> set[str]:
    """Those of `sids` that an attempt already has."""
    return set(connection.execute(_BOUND, {"sids": list(sids)}).scalars())


def accepted_after(connection: Connection, sids: Sequence[str], after: datetime) -> bool:
    """Whether one of `sids` is of an attempt that was claimed, so accepted, later than `after`."""
    found: bool = connection.execute(
        _ACCEPTED_AFTER, {"sids": list(sids), "after": after}
    ).scalar_one()
    return found


def has_elder(connection: Connection, check: Check) -> bool:
    """Whether an earlier call to that number, on the same account, has no known end either."""
    given = {
        "phone": check.phone,
        "account": check.account,
        "claimed_at": check.claimed_at,
        "token": check.token,
    }
    found: bool = connection.execute(_ELDER, given).scalar_one()
    return found


def look_again(connection: Connection, check: Check, *, at: datetime) -> None:
    """Look at this attempt again at that time, unless it has ended meanwhile."""
    connection.execute(_AGAIN, _key(check) | {"at": at})


def look_no_more(connection: Connection, check: Check) -> None:
    """This attempt stays as it is."""
    connection.execute(_AGAIN, _key(check) | {"at": None})


def _key(check: Check) -> dict[str, int]:
    return {"message_id": check.message_id, "part": check.part, "n": check.n}
