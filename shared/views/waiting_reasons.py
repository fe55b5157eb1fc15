"""Why the messages of a running campaign wait, in a sentence an operator can act on."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, TextClause, text

from shared import clock
from shared.domain.campaign import CampaignStatus
from shared.domain.instants import spoken
from shared.domain.message import MessageStatus
from shared.views.campaigns import Progress

C = TypeVar("C", bound=Progress)

#: So many agents or holds are named in one sentence; the rest is counted.
NAMED: Final = 3
#: What was hinted to a worker is due again after this long at most; what is due later than that
#: waits for something.
SOON: Final = timedelta(seconds=45)

_STOPPED = text("SELECT stopped_at IS NOT NULL FROM control")
# The first few of each campaign, and how many there are: a campaign may have ten thousand agents.
_PAUSED = text("""
    SELECT campaign_id, id, total FROM (
        SELECT lane.campaign_id, a.id,
               row_number() OVER (PARTITION BY lane.campaign_id ORDER BY a.key) AS nth,
               count(*) OVER (PARTITION BY lane.campaign_id) AS total
        FROM lane JOIN agent a ON a.key = lane.agent_key
        WHERE lane.campaign_id = ANY (CAST(:ids AS int[])) AND a.status <> 'active'
    ) s WHERE nth <= :named ORDER BY campaign_id, nth
""")
_HOLDS = text("""
    SELECT * FROM (
        SELECT lane.campaign_id, a.id, h.scope, h.subject, h.code, h.until, h.fix,
               row_number() OVER (PARTITION BY lane.campaign_id ORDER BY h.id) AS nth,
               count(*) OVER (PARTITION BY lane.campaign_id) AS total
        FROM lane JOIN agent a ON a.key = lane.agent_key JOIN hold h ON h.agent_key = a.key
        WHERE lane.campaign_id = ANY (CAST(:ids AS int[])) AND h.lifted_at IS NULL
          AND (h.until IS NULL OR h.until > now())
    ) s WHERE nth <= :named ORDER BY campaign_id, nth
""")
# A sender that has nothing left of its day, or too little for something that wanted to go.
_SPENT = text("""
    SELECT * FROM (
        SELECT lane.campaign_id, a.id, s.number, l.used, l.segments_per_day AS most,
               (((now() AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp
                AT TIME ZONE 'America/Los_Angeles') AS goes_on,
               row_number() OVER (PARTITION BY lane.campaign_id ORDER BY s.key) AS nth,
               count(*) OVER (PARTITION BY lane.campaign_id) AS total
        FROM lane JOIN agent a ON a.key = lane.agent_key JOIN sender s ON s.agent_key = a.key
        JOIN sender_limit l ON l.number = s.number
        WHERE lane.campaign_id = ANY (CAST(:ids AS int[]))
          AND l.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
          AND (l.used >= l.segments_per_day
               OR (l.full_on >= l.day AND l.segments_per_day IS NOT NULL))
    ) t WHERE nth <= :named ORDER BY campaign_id, nth
""")
# One index probe a lane: it is never asked how many.
_MOVING = text("""
    SELECT c.id FROM campaign c WHERE c.id = ANY (CAST(:ids AS int[])) AND (
        EXISTS (SELECT 1 FROM message WHERE campaign_id = c.id AND compose_at <= now() + :soon)
        OR EXISTS (
            SELECT 1 FROM lane JOIN agent a ON a.key = lane.agent_key
            WHERE lane.campaign_id = c.id AND a.status = 'active' AND EXISTS (
                SELECT 1 FROM message m WHERE m.campaign_id = c.id AND m.agent_key = a.key
                  AND m.due_at <= now() + :soon)))
""")
# A call is in doubt when its worker said so, or when it must have ended and nobody has said how.
_DOUBTS = text("""
    SELECT m.campaign_id, count(*) AS calls, min(a.check_at) AS looked_for,
           max(a.claimed_at) AS claimed_at
    FROM attempt a JOIN message m ON m.id = a.message_id
    WHERE a.check_at <= now() + :verdict_after + interval '1 minute' AND a.status = 'sending'
      AND m.status = 'sending' AND m.campaign_id = ANY (CAST(:ids AS int[]))
      AND (a.outcome IS NOT NULL OR a.claimed_at < now() - CAST(:certain_after AS interval))
    GROUP BY m.campaign_id
""")


def explained(
    connection: Connection,
    campaigns: list[C],
    *,
    certain_after: timedelta,
    verdict_after: timedelta,
) -> list[C]:
    """These campaigns with a `reason` why their messages wait.

    `eta_seconds` becomes None where nothing is due and no call is under way. A call is over
    `certain_after` its claim, and decided `verdict_after` it.
    """
    sending = [c.id for c in campaigns if c.counts.get(MessageStatus.SENDING)]
    running = [c.id for c in campaigns if c.status == CampaignStatus.RUNNING]
    doubts = _doubts(connection, sending, certain_after, verdict_after)
    held = _held(connection, running)
    moving = set(connection.execute(_MOVING, {"ids": running, "soon": SOON}).scalars())
    told = []
    for campaign in campaigns:
        doubt = doubts.get(campaign.id)
        pieces = [campaign.reason, *held[campaign.id]]
        under_way = campaign.counts.get(MessageStatus.SENDING, 0)
        if doubt is not None:
            pieces.append(_doubt(doubt, verdict_after))
            under_way -= doubt.calls
        reason = "; ".join(piece.rstrip(".") for piece in pieces if piece) or None
        moves = campaign.id in moving or under_way > 0
        eta_seconds = campaign.eta_seconds if moves else None
        told.append(replace(campaign, reason=reason, eta_seconds=eta_seconds))
    return told


def _doubts(
    connection: Connection, ids: list[int], certain_after: timedelta, verdict_after: timedelta
) -> dict[int, Row[Any]]:
    if not ids:
        return {}
    given = {"ids": ids, "certain_after": certain_after, "verdict_after": verdict_after}
    return {row.campaign_id: row for row in connection.execute(_DOUBTS, given)}


def _doubt(doubt: Row[Any], verdict_after: timedelta) -> str:
    calls = "1 call" if doubt.calls == 1 else f"{doubt.calls} calls"
    ahead = doubt.looked_for > clock.now()
    looked = f"at {spoken(doubt.looked_for)}" if ahead else "now"
    by = spoken(max(doubt.claimed_at + verdict_after, doubt.looked_for))
    return f"{calls} in doubt: looked for again {looked}, verdict by {by}"


def _held(connection: Connection, ids: list[int]) -> dict[int, list[str]]:
    """What stops or slows these running campaigns, the widest first."""
    found: dict[int, list[str]] = defaultdict(list)
    if not ids:
        return found
    if connection.execute(_STOPPED).scalar_one():
        start = "start it again with 'volley sending start' or POST /api/sending/start"
        for number in ids:
            found[number].append(f"all sending is stopped: {start}")
    for number, rows in _by_campaign(connection, _PAUSED, ids).items():
        found[number].append(_paused(rows))
    for query, told, others in (
        (_HOLDS, _hold, "more holds: 'volley agent list'"),
        (_SPENT, _spent, "more senders have used their day: 'volley agent list'"),
    ):
        for number, rows in _by_campaign(connection, query, ids).items():
            found[number] += map(told, rows)
            if rows[0].total > len(rows):
                found[number].append(f"{rows[0].total - len(rows)} {others}")
    return found


def _by_campaign(
    connection: Connection, query: TextClause, ids: list[int]
) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query, {"ids": ids, "named": NAMED}):
        found[row.campaign_id].append(row)
    return found


def _paused(rows: list[Row[Any]]) -> str:
    names = [row.id for row in rows]
    more = rows[0].total - len(rows)
    said = ", ".join(names) + (f" and {more} more" if more else "")
    who, them = (f"agent {said} is", "it") if len(names) == 1 else (f"agents {said} are", "them")
    mend = f"'volley agent set {names[0]} --status active'"
    return f"{who} paused: mend what holds {them}, then {mend}"


def _hold(row: Row[Any]) -> str:
    what = {
        "country": f"texts to +{row.subject}",
        "sender": f"sender {row.subject}",
        "account": "its account",
    }.get(row.scope)
    whose = f"agent {row.id}: {what} held" if what else f"agent {row.id} held"
    end = f"until {spoken(row.until)}" if row.until else "until a person mends it"
    return f"{whose} by error {row.code} {end}: {row.fix.rstrip('.')}"


def _spent(row: Row[Any]) -> str:
    """Its own messages wait; where an agent has other senders, those speak meanwhile."""
    used = f"its {row.most:,} segments of today"
    if row.used < row.most:
        used = f"{row.used:,} of {used}, too many for the next text"
    goes_on = f"it goes on at {spoken(row.goes_on)}"
    return f"agent {row.id}: sender {row.number} has used {used}; {goes_on}"
