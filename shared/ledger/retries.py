"""One more message for recipients whose latest one failed and may be tried again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.domain.wording import Wording


@dataclass(frozen=True, slots=True)
class Failed:
    """A recipient's latest message that failed, with what is known of its parts."""

    message_id: int
    body: str
    cuts: list[int]
    #: index → status of the part's attempt that went, else of its latest; those never called for
    #: are missing
    parts: dict[int, str]


_CODES = text("""
    SELECT DISTINCT error_code FROM message
    WHERE campaign_id = :id AND latest AND status IN ('failed', 'undelivered')
""")
_FAILED = text("""
    SELECT m.id, m.body, m.cuts,
        (SELECT coalesce(json_object_agg(a.part, a.status), '{}') FROM (
            SELECT DISTINCT ON (part) part, status FROM attempt
            WHERE message_id = m.id
            ORDER BY part, status IN ('accepted', 'sent', 'delivered') DESC, n DESC) a) AS parts
    FROM message m
    WHERE m.campaign_id = :id AND m.latest AND m.status IN ('failed', 'undelivered')
      AND (m.error_code IS NULL OR m.error_code = ANY (CAST(:codes AS int[])))
      AND m.id > :after
    ORDER BY m.id LIMIT :most FOR UPDATE
""")
_AGAIN = text("""
    WITH given AS (
        SELECT *
        FROM unnest(
            CAST(:old AS bigint[]), CAST(:new AS bigint[]), CAST(:bodies AS text[]),
            CAST(:cuts AS text[]), CAST(:encodings AS text[]), CAST(:segments AS int[]))
            AS g(old, new, body, cuts, encoding, segments)
    ), former AS (
        UPDATE message m SET latest = false FROM given WHERE m.id = given.old AND m.latest
        RETURNING m.id, m.campaign_id, m.agent_key, m.recipient_id, m.round
    )
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, round, status, due_at, body,
                         cuts, encoding, segments)
    SELECT g.new, f.campaign_id, f.agent_key, f.recipient_id, f.round + 1, 'ready', now(), g.body,
           CAST(g.cuts AS smallint[]), g.encoding, g.segments
    FROM former f JOIN given g ON g.old = f.id
    ON CONFLICT (recipient_id, round) DO NOTHING
    RETURNING id
""")
_BLOCKS = text("SELECT nextval('id_block') FROM generate_series(1, :blocks)")

#: Ids are handed out in blocks of this many.
BLOCK = 1000


def new_ids(connection: Connection, count: int) -> list[int]:
    """`count` fresh message ids."""
    blocks = -(-count // BLOCK)
    starts = connection.execute(_BLOCKS, {"blocks": blocks}).scalars().all()
    return [start * BLOCK + i for start in starts for i in range(BLOCK)][:count]


def error_codes(connection: Connection, campaign_id: int) -> list[int]:
    """The error codes among the campaign's failed recipients."""
    found = connection.execute(_CODES, {"id": campaign_id}).scalars()
    return [code for code in found if code is not None]


def failed(
    connection: Connection, campaign_id: int, *, codes: Sequence[int], after: int, most: int
) -> list[Failed]:
    """Failed recipients whose code is among `codes`, or who have none; in id order after
    `after`.
    """
    parameters = {"id": campaign_id, "codes": list(codes), "after": after, "most": most}
    return [
        Failed(row.id, row.body, list(row.cuts), {int(k): v for k, v in row.parts.items()})
        for row in connection.execute(_FAILED, parameters)
    ]


def send_again(connection: Connection, worded: Sequence[tuple[int, Wording]]) -> int:
    """A new message, one round up, for each (former message's id, words); returns how many."""
    if not worded:
        return 0
    parameters = {
        "old": [old for old, _ in worded],
        "new": new_ids(connection, len(worded)),
        "bodies": [w.body for _, w in worded],
        "cuts": ["{" + ",".join(map(str, w.cuts)) + "}" for _, w in worded],
        "encodings": [w.encoding for _, w in worded],
        "segments": [w.segments for _, w in worded],
    }
    return len(connection.execute(_AGAIN, parameters).fetchall())
