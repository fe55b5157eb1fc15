"""A campaign's messages and rejects, page by page, in id order: for lists and for exports."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from sqlalchemy import Connection, Row, text

from shared.domain.instants import instant
from shared.domain.message import MessageStatus
from shared.views.fields import AN_INSTANT, Instant, told

_S = MessageStatus

_PAGE = text("""
    SELECT m.id, m.campaign_id, r.row, r.phone, r.fields, m.round, m.latest, m.status, m.attempts,
           m.error_code, m.error_message, m.part, cardinality(m.cuts) + 1 AS parts, m.segments,
           m.encoding, m.body, m.created_at, m.sent_at, m.delivered_at, m.due_at, m.sender,
           a.id AS agent_id, a.provider
    FROM message m
    JOIN recipient r ON r.id = m.recipient_id
    JOIN agent a ON a.key = m.agent_key
    WHERE m.campaign_id = :campaign_id AND m.id > :after AND m.latest
      AND (:any_status OR m.status = ANY (CAST(:statuses AS text[])))
    ORDER BY m.id LIMIT :limit
""")
_ONE = text("""
    SELECT m.id, m.campaign_id, r.row, r.phone, r.fields, m.round, m.latest, m.status, m.attempts,
           m.error_code, m.error_message, m.part, cardinality(m.cuts) + 1 AS parts, m.segments,
           m.encoding, m.body, m.created_at, m.sent_at, m.delivered_at, m.due_at, m.sender,
           a.id AS agent_id, a.provider
    FROM message m
    JOIN recipient r ON r.id = m.recipient_id
    JOIN agent a ON a.key = m.agent_key
    WHERE m.id = :id
""")
_PARTS = text("""
    SELECT DISTINCT ON (message_id, part) message_id, part, sid, status FROM attempt
    WHERE message_id = ANY (CAST(:ids AS bigint[]))
    ORDER BY message_id, part, status = 'returned', n DESC
""")


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a message that is too long for one."""

    index: Annotated[int, told("Which part, from 0.", 0)]
    sid: Annotated[str | None, told("The provider's id; null while it has none.", "SM1")]
    status: Annotated[str, told("What became of it.", "delivered")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one recipient."""

    id: Annotated[int, told("Its number.", 1004)]
    campaign_id: Annotated[int, told("Its campaign's number.", 7)]
    row: Annotated[int, told("The recipient's row in the file; the header is row 1.", 2)]
    to: Annotated[str, told("The recipient, in E.164.", "+12025550101")]
    agent_id: Annotated[str, told("Who speaks.", "sales")]
    sender: Annotated[str | None, told("The number it went from.", "+15005550006")]
    status: Annotated[str, told("Where it is in its life.", "delivered", one_of=MessageStatus)]
    attempts: Annotated[int, told("Calls to the provider that counted.", 1)]
    error_code: Annotated[int | None, told("The provider's code.", None)]
    error_message: Annotated[str | None, told("What went wrong, in words.", None)]
    parts: list[Part]
    segments: Annotated[int | None, told("What it costs, in segments; null if unwritten.", 1)]
    encoding: Annotated[str | None, told("GSM-7 or UCS-2; null if unwritten.", "GSM-7")]
    body: Annotated[str | None, told("The text; null while it is unwritten.", "Hi Ana")]
    round: Annotated[int, told("0, and one more each time it was retried.", 0)]
    created_at: Annotated[Instant | None, told("When it was made.", AN_INSTANT)]
    sent_at: Annotated[Instant | None, told("When the carrier took it.", AN_INSTANT)]
    delivered_at: Annotated[Instant | None, told("When the handset had it.", AN_INSTANT)]
    due_at: Annotated[Instant | None, told("When it may go; null when it is over.", None)]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, its recipient's columns of the file, and the provider it goes through."""

    message: Message
    fields: dict[str, str]
    provider: str


def page(
    connection: Connection,
    campaign_id: int,
    *,
    statuses: Sequence[str] = (),
    after: int = 0,
    limit: int = 100,
) -> list[Entry]:
    """Each recipient's latest message, ids above `after`; all of them if no status is given."""
    found = connection.execute(
        _PAGE,
        {
            "campaign_id": campaign_id,
            "after": after,
            "limit": limit,
            "any_status": not statuses,
            "statuses": list(statuses),
        },
    ).fetchall()
    return _entries(connection, found)


def one(connection: Connection, message_id: int) -> Entry | None:
    """One message, or None."""
    found = connection.execute(_ONE, {"id": message_id}).fetchall()
    return next(iter(_entries(connection, found)), None)


def _entries(connection: Connection, rows: Sequence[Row[Any]]) -> list[Entry]:
    latest: dict[int, dict[int, Row[Any]]] = defaultdict(dict)
    for part in connection.execute(_PARTS, {"ids": [row.id for row in rows]}):
        latest[part.message_id][part.part] = part
    return [Entry(_message(row, latest[row.id]), row.fields, row.provider) for row in rows]


def _message(row: Row[Any], latest: dict[int, Row[Any]]) -> Message:
    return Message(
        id=row.id,
        campaign_id=row.campaign_id,
        row=row.row,
        to=row.phone,
        agent_id=row.agent_id,
        sender=row.sender,
        status=row.status,
        attempts=row.attempts,
        error_code=row.error_code,
        error_message=row.error_message,
        parts=[_part(row, index, latest.get(index)) for index in range(row.parts)],
        segments=row.segments,
        encoding=row.encoding,
        body=row.body,
        round=row.round,
        created_at=instant(row.created_at),
        sent_at=instant(row.sent_at),
        delivered_at=instant(row.delivered_at),
        due_at=instant(row.due_at),
    )


def _part(row: Row[Any], index: int, latest: Row[Any] | None) -> Part:
    if latest is None or latest.status == "returned":
        return Part(index, None, _unsent(row, index))
    return Part(index, latest.sid, latest.status)


def _unsent(row: Row[Any], index: int) -> str:
    """The word for a part that never went: what stopped it, or that it still waits."""
    status = MessageStatus(row.status)
    if row.parts == 1 or status in {_S.SUPPRESSED, _S.CANCELLED, _S.EXPIRED}:
        return status
    if status in {_S.FAILED, _S.UNDELIVERED}:
        return status if index == row.part else _S.CANCELLED
    return status if status in {_S.DRAFT, _S.PLANNED} else _S.READY


_HEADER = text("""
    SELECT u.header FROM campaign c LEFT JOIN upload u ON u.id = c.upload_id WHERE c.id = :id
""")
_REJECTS = text("""
    SELECT "row", coalesce("column", '') AS "column", coalesce(value, '') AS value, code, reason,
           fix, cells
    FROM reject WHERE campaign_id = :campaign_id AND "row" > :after ORDER BY "row" LIMIT :limit
""")


def header(connection: Connection, campaign_id: int) -> list[str] | None:
    """The columns of the campaign's file; empty while it is imported, None without the campaign."""
    found = connection.execute(_HEADER, {"id": campaign_id}).one_or_none()
    return None if found is None else list(found.header or [])


def rejects(
    connection: Connection, campaign_id: int, *, after: int = 0, limit: int = 1000
) -> Sequence[Row[Any]]:
    """Rows that were not accepted, in the file's order, those below row number `after`."""
    parameters = {"campaign_id": campaign_id, "after": after, "limit": limit}
    return connection.execute(_REJECTS, parameters).fetchall()
