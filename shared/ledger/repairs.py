"""What the repair loops look for."""

from sqlalchemy import Connection, text

from shared.ledger.retries import new_ids

_CANCELLED = text("""
    SELECT c.id FROM campaign c WHERE c.status = 'cancelled' AND (
        EXISTS (SELECT 1 FROM message WHERE campaign_id = c.id AND due_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM message WHERE campaign_id = c.id AND compose_at IS NOT NULL))
""")
_HOLES = text("""
    SELECT r.id AS recipient_id, r.campaign_id,
           (SELECT agent_key FROM lane
            WHERE campaign_id = c.id ORDER BY agent_key LIMIT 1) AS agent_key
    FROM campaign c JOIN recipient r ON r.campaign_id = c.id
    WHERE c.status IN ('ready', 'scheduled', 'running', 'paused')
      AND (c.report ->> 'accepted')::bigint >
          (SELECT sum(messages) FROM campaign_count n WHERE n.campaign_id = c.id)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.recipient_id = r.id)
    ORDER BY r.id LIMIT 5000
""")
_FILL = text("""
    INSERT INTO message (id, campaign_id, agent_key, recipient_id, status, compose_at)
    SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:campaigns AS int[]), CAST(:agents AS int[]),
        CAST(:recipients AS bigint[])), (VALUES ('planned', now())) AS v(status, compose_at)
    ON CONFLICT (recipient_id, round) DO NOTHING
""")
_CLAIM_RUN = text("""
    INSERT INTO loop_run (name, last_run) VALUES (:name, now())
    ON CONFLICT (name) DO UPDATE SET last_run = now()
    WHERE loop_run.last_run <= now() - :least * interval '1 second'
    RETURNING name
""")


def cancelled_with_unsent(connection: Connection) -> list[int]:
    """Cancelled campaigns that still have unsent rows."""
    return list(connection.execute(_CANCELLED).scalars())


def fill_holes(connection: Connection) -> int:
    """Give recipients without a message a planned one, to be worded like any other."""
    holes = connection.execute(_HOLES).fetchall()
    if not holes:
        return 0
    parameters = {
        "ids": new_ids(connection, len(holes)),
        "campaigns": [hole.campaign_id for hole in holes],
        "agents": [hole.agent_key for hole in holes],
        "recipients": [hole.recipient_id for hole in holes],
    }
    return connection.execute(_FILL, parameters).rowcount


def claim_run(connection: Connection, name: str, *, least: float) -> bool:
    """Whether this loop is ours to run: nobody ran it within `least` seconds."""
    found = connection.execute(_CLAIM_RUN, {"name": name, "least": least})
    return found.one_or_none() is not None
