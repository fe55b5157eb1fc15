"""Callbacks about a call of ours that another account has signed: kept, never applied, and told.

Every account we know may sign for its own calls, and for no others: who learns the address of a
callback (a proxy's log is enough) and has an agent here must not move somebody else's messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, text

# An incident is told once for each call and account, however often that account repeats itself.
_NOTE = text("""
    WITH told AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS t(message_id bigint,
            part smallint, n smallint, token uuid, account text, sid text, status text, code int)
    ), marked AS (
        UPDATE callback c SET stranger = true FROM told t
        WHERE c.message_id = t.message_id AND c.token = t.token AND c.account = t.account
          AND c.applied AND NOT c.stranger
    )
    INSERT INTO event (message_id, kind, details)
    SELECT message_id, 'stranger', jsonb_build_object(
        'part', part, 'attempt', n, 'account', account, 'sid', sid, 'status', status,
        'error_code', code, 'text', account || ' has signed a callback about this call, which was '
        'made with another account: it is kept, and changed nothing')
    FROM told t WHERE NOT EXISTS (
        SELECT 1 FROM event e WHERE e.message_id = t.message_id AND e.kind = 'stranger'
            AND e.details @> jsonb_build_object('part', part, 'attempt', n, 'account', account))
    ORDER BY message_id
""")


def note(connection: Connection, told: Sequence[Mapping[str, Any]]) -> None:
    """Mark these callbacks, which were taken in this transaction, and put them on the timelines.

    Each has message_id, part, n, token, account, sid, status and code.
    """
    connection.execute(_NOTE, {"told": orjson.dumps(list(told)).decode()})
