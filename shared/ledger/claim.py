"""The claim: ready → sending under a new token, judged against everything that may have changed.

One statement for all messages whose slots come now. What it refuses is settled in the same
transaction; rows that are no longer ready under this hint belong to somebody else.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.domain.wording import part_of
from shared.ledger.claim_statements import CLAIM, CLAIM_WITH_LIMITS

#: Claims hold it shared, a pause holds it alone while it commits: after the answer to a pause no
#: claim that had not seen it can still commit.
GATE = 0x47415445


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, under `token`."""

    message_id: int
    campaign_id: int
    agent_key: int
    part: int
    token: uuid.UUID
    phone: str
    sender: str | None
    text: str
    parts: int
    #: its sender has a limit per second: a slot that is missed must be asked for anew
    paced: bool = False
    #: the account that the attempt says it is called with; a call with another must not be made
    account: str | None = None


_ENTER = text("""
    SELECT pg_advisory_xact_lock_shared(:gate), EXISTS (
        SELECT 1 FROM sender_limit
        WHERE segments_per_second IS NOT NULL OR segments_per_day IS NOT NULL) AS limits
""")


def claim(  # noqa: PLR0913  (all that a claim is judged and marked by)
    connection: Connection,
    hints: Sequence[tuple[int, int]],
    *,
    by: str,
    reconcile_after: timedelta,
    tokens: Mapping[int, uuid.UUID] | None = None,
    unasked: bool = False,
    platform: str | None = None,
) -> tuple[list[Claimed], list[tuple[int, str]]]:
    """Claim what is still due under these hints: (message id, the `due_at` the hint wrote).

    Returns the claimed, and (message id, verdict) of those refused. Ids in neither belong to
    somebody else. `tokens` by message id are for callers that may have to ask again after a commit
    whose answer was lost: under the same tokens they get the same claims. With `unasked` no slot
    was reserved for them: what needs one of its sender waits to be hinted. `platform` is the
    account that the caller uses for agents without one of their own, which the settings of another
    process may name otherwise; None: the one that is kept with the agent.
    """
    tokens = tokens or {}
    limited = connection.execute(_ENTER, {"gate": GATE}).one().limits
    found = connection.execute(
        CLAIM_WITH_LIMITS if limited else CLAIM,
        {
            "ids": [message_id for message_id, _ in hints],
            "dues": [due for _, due in hints],
            "tokens": [tokens.get(message_id) or uuid.uuid4() for message_id, _ in hints],
            "by": by,
            "reconcile_after": reconcile_after,
            "platform": platform,
        }
        | ({"unasked": unasked} if limited else {}),
    ).fetchall()
    claimed = [_claimed(row) for row in found if row.verdict == "sending"]
    refused = [(row.id, row.verdict) for row in found if row.verdict != "sending"]
    return claimed, refused


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(
        message_id=row.id,
        campaign_id=row.campaign_id,
        agent_key=row.agent_key,
        part=row.part,
        token=row.token,
        phone=row.phone,
        sender=row.new_sender,
        text=part_of(row.body, row.cuts, row.part),
        parts=len(row.cuts) + 1,
        paced=row.paced,
        account=row.account,
    )
