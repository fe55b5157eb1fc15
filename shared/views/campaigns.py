"""Campaigns as people see them: status, counts, pace and time left. Reads only."""

from dataclasses import dataclass
from typing import Annotated, Any

from sqlalchemy import Connection, Row, text

from shared.domain.campaign import CampaignStatus, Priority
from shared.domain.instants import instant
from shared.domain.message import UNSENT
from shared.views.fields import AN_INSTANT, Instant, extended, told
from shared.views.reports import Report, of_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a campaign stands."""

    id: Annotated[int, told("Its number.", 7)]
    name: Annotated[str, told("What people call it.", "Spring")]
    status: Annotated[str, told("Where it is in its life.", "running", one_of=CampaignStatus)]
    reason: Annotated[str | None, told("Why it waits or stopped, in words.", None)]
    counts: Annotated[dict[str, int], told("Messages by status; none is left out.", {"ready": 3})]
    segments: Annotated[int, told("Segments of all its messages.", 5032)]
    rate: Annotated[
        float, told("Conversation starts a second of its agents; 0 while nothing is sent.", 5.0)
    ]
    eta_seconds: Annotated[
        float | None, told("Seconds until the last has gone; null while nothing moves.", 120.5)
    ]
    created_at: Annotated[Instant | None, told("When it was uploaded.", AN_INSTANT)]
    started_at: Annotated[Instant | None, told("When it began to send.", AN_INSTANT)]
    finished_at: Annotated[Instant | None, told("When it ended.", None)]
    mode: Annotated[str, told("Whose words: the file's template, or the agent's.", "direct")]
    agent_ids: Annotated[list[str], told("Who speaks.", ["sales"])]
    priority: Annotated[
        str, told("Who goes first.", "bulk", one_of=[word.name.lower() for word in Priority])
    ]
    send_before: Annotated[Instant | None, told("What has not gone by then expires.", None)]
    scheduled_at: Annotated[Instant | None, told("When it is to start.", None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Progress):
    """A campaign with what the import says of its file; null until the first rows are read."""

    report: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Whether all sending is stopped."""

    stopped: Annotated[bool, told("Nothing new is claimed while it is true.", True)]
    stopped_at: Annotated[Instant | None, told("Since when.", AN_INSTANT)]
    stopped_by: Annotated[str | None, told("By whom, as the audit names them.", "key:1 first key")]


# The three differ in what of the report they read, and in whose: a test holds them together
# (tests/architecture/test_twins.py).
_ONE = text("""
    SELECT c.id, c.name, c.status, c.reason, c.report AS report, c.mode, c.priority,
           c.send_before, c.scheduled_at, c.created_at, c.started_at, c.finished_at,
           coalesce(n.counts, '{}') AS counts, coalesce(n.segments, 0) AS segments,
           coalesce(l.agent_ids, '{}') AS agent_ids, coalesce(l.rate, 0)::float AS rate,
           control.stopped_at IS NOT NULL AS stopped
    FROM campaign c CROSS JOIN control
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(status, messages) AS counts, sum(segments)::bigint AS segments,
               greatest(1, sum(segments) / nullif(sum(messages), 0)) AS each
        FROM (SELECT status, sum(messages)::bigint AS messages, sum(segments)::bigint AS segments
              FROM campaign_count WHERE campaign_id = c.id
              GROUP BY status HAVING sum(messages) <> 0) s
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(a.id ORDER BY a.key) AS agent_ids,
               sum(least(CASE WHEN a.next_rate_at <= now() THEN a.next_rate ELSE a.rate END,
                         carried / n.each)) FILTER (WHERE a.status = 'active' AND NOT held) AS rate
        FROM lane JOIN agent a ON a.key = lane.agent_key CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT 1 FROM hold WHERE hold.agent_key = a.key AND lifted_at IS NULL
                AND scope IN ('agent', 'account') AND (until IS NULL OR until > now()))
            OR (a.messaging_service_sid IS NULL
                AND c.settings #>> '{options,messaging_service_sid}' IS NULL
                AND NOT EXISTS (SELECT 1 FROM sender s WHERE s.agent_key = a.key AND NOT EXISTS (
                    SELECT 1 FROM hold WHERE hold.agent_key = a.key AND scope = 'sender'
                        AND subject = s.number AND lifted_at IS NULL
                        AND (until IS NULL OR until > now())))) AS held,
            -- Segments a second of its senders, where all have a limit and something left today.
            CASE WHEN EXISTS (SELECT 1 FROM sender_limit) THEN (
                SELECT CASE
                    WHEN bool_and(u.segments_per_second IS NOT NULL OR coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false))
                    THEN coalesce(sum(u.segments_per_second) FILTER (WHERE NOT coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false)), 0) END
                FROM sender s LEFT JOIN sender_limit u ON u.number = s.number
                WHERE s.agent_key = a.key) END AS carried
        ) h
        WHERE lane.campaign_id = c.id
    ) l ON true
    WHERE c.id = :id
""")
_PROGRESS = text("""
    SELECT c.id, c.name, c.status, c.reason, NULL AS report, c.mode, c.priority,
           c.send_before, c.scheduled_at, c.created_at, c.started_at, c.finished_at,
           coalesce(n.counts, '{}') AS counts, coalesce(n.segments, 0) AS segments,
           coalesce(l.agent_ids, '{}') AS agent_ids, coalesce(l.rate, 0)::float AS rate,
           control.stopped_at IS NOT NULL AS stopped
    FROM campaign c CROSS JOIN control
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(status, messages) AS counts, sum(segments)::bigint AS segments,
               greatest(1, sum(segments) / nullif(sum(messages), 0)) AS each
        FROM (SELECT status, sum(messages)::bigint AS messages, sum(segments)::bigint AS segments
              FROM campaign_count WHERE campaign_id = c.id
              GROUP BY status HAVING sum(messages) <> 0) s
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(a.id ORDER BY a.key) AS agent_ids,
               sum(least(CASE WHEN a.next_rate_at <= now() THEN a.next_rate ELSE a.rate END,
                         carried / n.each)) FILTER (WHERE a.status = 'active' AND NOT held) AS rate
        FROM lane JOIN agent a ON a.key = lane.agent_key CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT 1 FROM hold WHERE hold.agent_key = a.key AND lifted_at IS NULL
                AND scope IN ('agent', 'account') AND (until IS NULL OR until > now()))
            OR (a.messaging_service_sid IS NULL
                AND c.settings #>> '{options,messaging_service_sid}' IS NULL
                AND NOT EXISTS (SELECT 1 FROM sender s WHERE s.agent_key = a.key AND NOT EXISTS (
                    SELECT 1 FROM hold WHERE hold.agent_key = a.key AND scope = 'sender'
                        AND subject = s.number AND lifted_at IS NULL
                        AND (until IS NULL OR until > now())))) AS held,
            -- Segments a second of its senders, where all have a limit and something left today.
            CASE WHEN EXISTS (SELECT 1 FROM sender_limit) THEN (
                SELECT CASE
                    WHEN bool_and(u.segments_per_second IS NOT NULL OR coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false))
                    THEN coalesce(sum(u.segments_per_second) FILTER (WHERE NOT coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false)), 0) END
                FROM sender s LEFT JOIN sender_limit u ON u.number = s.number
                WHERE s.agent_key = a.key) END AS carried
        ) h
        WHERE lane.campaign_id = c.id
    ) l ON true
    WHERE c.id = ANY (CAST(:ids AS int[]))
    ORDER BY c.id
""")
# A page of campaigns leaves the reports' rejects out: a hundred of them each, for nobody.
_PAGE = text("""
    SELECT c.id, c.name, c.status, c.reason, c.report - 'rejects' AS report, c.mode, c.priority,
           c.send_before, c.scheduled_at, c.created_at, c.started_at, c.finished_at,
           coalesce(n.counts, '{}') AS counts, coalesce(n.segments, 0) AS segments,
           coalesce(l.agent_ids, '{}') AS agent_ids, coalesce(l.rate, 0)::float AS rate,
           control.stopped_at IS NOT NULL AS stopped
    FROM campaign c CROSS JOIN control
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(status, messages) AS counts, sum(segments)::bigint AS segments,
               greatest(1, sum(segments) / nullif(sum(messages), 0)) AS each
        FROM (SELECT status, sum(messages)::bigint AS messages, sum(segments)::bigint AS segments
              FROM campaign_count WHERE campaign_id = c.id
              GROUP BY status HAVING sum(messages) <> 0) s
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(a.id ORDER BY a.key) AS agent_ids,
               sum(least(CASE WHEN a.next_rate_at <= now() THEN a.next_rate ELSE a.rate END,
                         carried / n.each)) FILTER (WHERE a.status = 'active' AND NOT held) AS rate
        FROM lane JOIN agent a ON a.key = lane.agent_key CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT 1 FROM hold WHERE hold.agent_key = a.key AND lifted_at IS NULL
                AND scope IN ('agent', 'account') AND (until IS NULL OR until > now()))
            OR (a.messaging_service_sid IS NULL
                AND c.settings #>> '{options,messaging_service_sid}' IS NULL
                AND NOT EXISTS (SELECT 1 FROM sender s WHERE s.agent_key = a.key AND NOT EXISTS (
                    SELECT 1 FROM hold WHERE hold.agent_key = a.key AND scope = 'sender'
                        AND subject = s.number AND lifted_at IS NULL
                        AND (until IS NULL OR until > now())))) AS held,
            -- Segments a second of its senders, where all have a limit and something left today.
            CASE WHEN EXISTS (SELECT 1 FROM sender_limit) THEN (
                SELECT CASE
                    WHEN bool_and(u.segments_per_second IS NOT NULL OR coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false))
                    THEN coalesce(sum(u.segments_per_second) FILTER (WHERE NOT coalesce(
                        u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                        AND u.used >= u.segments_per_day, false)), 0) END
                FROM sender s LEFT JOIN sender_limit u ON u.number = s.number
                WHERE s.agent_key = a.key) END AS carried
        ) h
        WHERE lane.campaign_id = c.id
    ) l ON true
    WHERE c.id < :before AND (:status = '' OR c.status = :status)
    ORDER BY c.id DESC LIMIT :limit
""")


def campaign(connection: Connection, campaign_id: int) -> Campaign | None:
    """One campaign with its whole report, or None."""
    row = connection.execute(_ONE, {"id": campaign_id}).one_or_none()
    return _campaign(row) if row is not None else None


def campaigns(
    connection: Connection, *, status: str = "", before: int | None = None, limit: int = 50
) -> list[Campaign]:
    """The newest campaigns, those with an id below `before`; reports without their rejects."""
    parameters = {"status": status, "before": before or 1 << 31, "limit": limit}
    return [_campaign(row) for row in connection.execute(_PAGE, parameters)]


def progress(connection: Connection, campaign_ids: list[int]) -> list[Progress]:
    """Where these campaigns stand, without their reports: what a progress bar asks every second."""
    return [_progress(row) for row in connection.execute(_PROGRESS, {"ids": campaign_ids})]


_SWITCH = text("SELECT stopped_at, stopped_by FROM control")


def sending(connection: Connection) -> Switch:
    """Whether all sending is stopped."""
    row = connection.execute(_SWITCH).one()
    return Switch(
        stopped=row.stopped_at is not None,
        stopped_at=instant(row.stopped_at),
        stopped_by=row.stopped_by,
    )


def _campaign(row: Row[Any]) -> Campaign:
    return extended(Campaign, _progress(row), report=of_stored(row.report))


def _progress(row: Row[Any]) -> Progress:
    """`rate` is what its agents that may speak start a second together, 0 while nothing is sent.

    `eta_seconds` is that rate's time for what is left. Recipients are dealt in proportion to the
    agents' rates, so all agents end together; an agent shared with other campaigns takes longer.
    """
    running = row.status == CampaignStatus.RUNNING
    rate = row.rate if running and not row.stopped else 0.0
    left = sum(row.counts.get(status, 0) for status in UNSENT)
    return Progress(
        id=row.id,
        name=row.name,
        status=row.status,
        reason=row.reason,
        counts=row.counts,
        segments=row.segments,
        rate=rate,
        eta_seconds=round(left / rate, 1) if rate else None,
        created_at=instant(row.created_at),
        started_at=instant(row.started_at),
        finished_at=instant(row.finished_at),
        mode=row.mode,
        agent_ids=list(row.agent_ids),
        priority=Priority(row.priority).name.lower(),
        send_before=instant(row.send_before),
        scheduled_at=instant(row.scheduled_at),
    )
