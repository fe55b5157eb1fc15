"""The numbers an operator watches, read in one short transaction."""

from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Readings:
    """What the ledger says now."""

    #: messages by status, over all campaigns
    messages: dict[str, int]
    #: campaigns by status
    campaigns: dict[str, int]
    #: for how many seconds the oldest due message of a running campaign has waited
    oldest_due_seconds: float
    #: callbacks that are stored and not applied
    waiting_callbacks: int
    #: callbacks of the last day about calls that another account has made
    stranger_callbacks: int
    stopped: bool
    #: schedulers that live, and how many of the shards of agents they hold
    schedulers: int
    leases_held: int


_MESSAGES = text("""
    SELECT status, sum(messages)::bigint AS n FROM campaign_count GROUP BY status
""")
_CAMPAIGNS = text("SELECT status, count(*) AS n FROM campaign GROUP BY status")
_OTHERS = text("""
    SELECT coalesce((
        SELECT extract(epoch FROM now() - min(oldest.due_at))::float
        FROM campaign c JOIN lane l ON l.campaign_id = c.id CROSS JOIN LATERAL (
            SELECT min(due_at) AS due_at FROM message
            WHERE campaign_id = l.campaign_id AND agent_key = l.agent_key AND due_at <= now()
        ) oldest WHERE c.status = 'running'), 0) AS oldest,
        (SELECT count(*) FROM callback WHERE NOT applied) AS waiting,
        (SELECT count(*) FROM callback
         WHERE stranger AND received_at > now() - interval '1 day') AS strangers,
        (SELECT stopped_at IS NOT NULL FROM control) AS stopped,
        (SELECT count(*) FROM scheduler WHERE until > now()) AS schedulers,
        (SELECT count(*) FROM lease WHERE until > now()) AS leases_held
""")


def readings(connection: Connection) -> Readings:
    """Read them all."""
    others = connection.execute(_OTHERS).one()
    return Readings(
        messages={row.status: row.n for row in connection.execute(_MESSAGES)},
        campaigns={row.status: row.n for row in connection.execute(_CAMPAIGNS)},
        oldest_due_seconds=others.oldest,
        waiting_callbacks=others.waiting,
        stranger_callbacks=others.strangers,
        stopped=others.stopped,
        schedulers=others.schedulers,
        leases_held=others.leases_held,
    )
