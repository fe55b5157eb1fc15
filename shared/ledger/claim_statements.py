"""The claim's two statements, whole: where no sender has a limit, and where one has.

They differ in how a message that is fit to go is judged, and in nothing else:
tests/architecture/test_twins.py holds them together.
"""

from typing import Final

from sqlalchemy import text

#: An installation without limits of senders pays nothing for them.
CLAIM: Final = text("""
    WITH hint AS (
        -- A release that came twice is one hint: two would break the claims of all the others.
        SELECT DISTINCT ON (id, due) *
        FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[]), CAST(:tokens AS uuid[]))
            AS h(id, due, token)
    ), locked AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.agent_key, m.recipient_id, m.part, m.n, m.sender,
               greatest(m.segments, 1) AS segments, hint.token
        FROM hint JOIN message m ON m.id = hint.id
        WHERE m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    ), pool AS MATERIALIZED (
        SELECT s.agent_key,
               array_agg(s.number ORDER BY s.key)
                   FILTER (WHERE h.id IS NULL AND u.number IS NULL) AS numbers,
               bool_or(u.number IS NOT NULL) AS any_spent,
               bool_and(u.number IS NOT NULL) AS all_spent
        FROM sender s
        LEFT JOIN hold h ON h.agent_key = s.agent_key AND h.scope = 'sender'
            AND h.subject = s.number AND h.lifted_at IS NULL
            AND (h.until IS NULL OR h.until > now())
        LEFT JOIN sender_limit u ON u.number = s.number
            AND u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
            AND u.used >= u.segments_per_day
        WHERE s.agent_key IN (SELECT agent_key FROM locked)
        GROUP BY s.agent_key
    ), fit AS (
        SELECT l.*, r.phone,
            -- The sender it has, as long as that may speak; else the same person is dealt the same
            -- number each time.
            CASE WHEN l.sender IS NOT NULL AND (l.part > 0 OR l.sender = ANY (p.numbers))
                 THEN l.sender
                 ELSE p.numbers[1 + ltrim(r.phone, '+')::bigint % cardinality(p.numbers)]
                 END AS new_sender,
            CASE WHEN a.credentials IS NULL THEN coalesce(CAST(:platform AS text), a.account)
                 ELSE a.account END AS account,
            CASE WHEN c.status = 'cancelled' THEN 'cancelled'
                 WHEN s.phone IS NOT NULL THEN 'suppressed'
                 WHEN c.send_before <= now() THEN 'expired'
                 -- A question of its own: joined, Postgres takes a table that nobody analyzes for
                 -- a thousand rows, and reads all messages to update a few.
                 WHEN c.status <> 'running' OR a.status <> 'active'
                      OR (SELECT stopped_at IS NOT NULL FROM control) THEN 'waits'
                 WHEN h.until IS NOT NULL THEN 'held'
                 -- A text that was begun has paid its day for all its parts.
                 WHEN p.numbers IS NULL AND p.any_spent
                 THEN CASE WHEN l.part = 0 THEN 'held' ELSE 'sending' END
                 WHEN p.numbers IS NULL AND a.messaging_service_sid IS NULL
                      AND c.settings #>> '{options,messaging_service_sid}' IS NULL THEN 'held'
                 ELSE 'sending' END AS fitness,
            coalesce(
                h.until,
                CASE WHEN p.all_spent
                     THEN (((now() AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp
                           AT TIME ZONE 'America/Los_Angeles') END,
                now() + interval '60 s') AS until
        FROM locked l
        JOIN recipient r ON r.id = l.recipient_id
        JOIN campaign c ON c.id = l.campaign_id
        JOIN agent a ON a.key = l.agent_key
        LEFT JOIN pool p ON p.agent_key = l.agent_key
        LEFT JOIN LATERAL (
            SELECT phone FROM suppression WHERE suppression.phone = r.phone AND scope = 'all'
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT max(coalesce(until, now() + interval '5 min')) AS until FROM hold
            WHERE hold.agent_key = l.agent_key AND lifted_at IS NULL
              AND (until IS NULL OR until > now())
              AND (scope IN ('agent', 'account')
                   OR (scope = 'country' AND subject = r.country::text)
                   OR (scope = 'sender' AND l.part > 0 AND subject = l.sender))
        ) h ON true
    ), judged AS MATERIALIZED (
        SELECT fit.*, fitness AS verdict, false AS is_full, false AS paced, NULL::text AS pays
        FROM fit
    ), moved AS (
        UPDATE message m SET
            status = CASE WHEN j.verdict IN ('waits', 'held') THEN 'ready' ELSE j.verdict END,
            -- A text that was begun goes before those that were not.
            due_at = CASE WHEN j.verdict = 'waits' AND j.part > 0 THEN m.created_at
                          WHEN j.verdict = 'waits' THEN now()
                          WHEN j.is_full
                          THEN (((now() AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp
                                AT TIME ZONE 'America/Los_Angeles')
                          WHEN j.verdict = 'held' THEN j.until END,
            n = m.n + (j.verdict = 'sending')::int,
            attempts = m.attempts + (j.verdict = 'sending')::int,
            token = CASE WHEN j.verdict = 'sending' THEN j.token ELSE m.token END,
            sender = CASE WHEN j.verdict = 'sending' THEN j.new_sender ELSE m.sender END
        FROM judged j WHERE m.id = j.id
        -- All that is needed further on, so that nothing is joined to it again: the planner knows
        -- nothing of the size of these lists, and would compare every row with every other.
        RETURNING j.verdict, m.id, m.campaign_id, m.agent_key, m.part, m.n, j.token, j.phone,
                  j.new_sender, j.account, j.paced, j.pays, j.segments, m.body, m.cuts
    ), tried AS (
        INSERT INTO attempt (message_id, part, n, token, account, sender, claimed_at, claimed_by,
                             check_at, charged)
        SELECT id, part, n, token, account, new_sender, clock_timestamp(), :by,
               clock_timestamp() + :reconcile_after, CASE WHEN pays IS NOT NULL THEN segments END
        FROM moved WHERE verdict = 'sending'
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT id, verdict, jsonb_build_object('by', 'claim') FROM moved
        WHERE verdict IN ('suppressed', 'expired', 'cancelled')
    )
    SELECT verdict, id, campaign_id, agent_key, part, token, phone, new_sender, account, paced,
           body, cuts
    FROM moved
    UNION ALL
    -- An earlier try of this very claim committed, and its answer was lost with the connection.
    SELECT 'sending', m.id, m.campaign_id, m.agent_key, m.part, m.token, r.phone, m.sender,
           (SELECT account FROM attempt WHERE message_id = m.id AND token = m.token),
           EXISTS (SELECT 1 FROM sender_limit
                   WHERE number = m.sender AND segments_per_second IS NOT NULL),
           m.body, m.cuts
    FROM (SELECT DISTINCT id, token FROM hint) AS asked
    JOIN message m ON m.id = asked.id AND m.token = asked.token
    JOIN recipient r ON r.id = m.recipient_id
    WHERE m.status = 'sending'
    ORDER BY 2
""")

# What a day may still carry is locked in the order of numbers, and last of all: two claims that
# speak from the same senders decide one after the other, each on what the other has left.
CLAIM_WITH_LIMITS: Final = text("""
    WITH hint AS (
        -- A release that came twice is one hint: two would break the claims of all the others.
        SELECT DISTINCT ON (id, due) *
        FROM unnest(CAST(:ids AS bigint[]), CAST(:dues AS bigint[]), CAST(:tokens AS uuid[]))
            AS h(id, due, token)
    ), locked AS MATERIALIZED (
        SELECT m.id, m.campaign_id, m.agent_key, m.recipient_id, m.part, m.n, m.sender,
               greatest(m.segments, 1) AS segments, hint.token
        FROM hint JOIN message m ON m.id = hint.id
        WHERE m.due_at = timestamptz 'epoch' + hint.due * interval '1 microsecond'
        ORDER BY m.id FOR UPDATE OF m
    ), pool AS MATERIALIZED (
        SELECT s.agent_key,
               array_agg(s.number ORDER BY s.key)
                   FILTER (WHERE h.id IS NULL AND u.number IS NULL) AS numbers,
               bool_or(u.number IS NOT NULL) AS any_spent,
               bool_and(u.number IS NOT NULL) AS all_spent
        FROM sender s
        LEFT JOIN hold h ON h.agent_key = s.agent_key AND h.scope = 'sender'
            AND h.subject = s.number AND h.lifted_at IS NULL
            AND (h.until IS NULL OR h.until > now())
        LEFT JOIN sender_limit u ON u.number = s.number
            AND u.day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
            AND u.used >= u.segments_per_day
        WHERE s.agent_key IN (SELECT agent_key FROM locked)
        GROUP BY s.agent_key
    ), fit AS (
        SELECT l.*, r.phone,
            -- The sender it has, as long as that may speak; else the same person is dealt the same
            -- number each time.
            CASE WHEN l.sender IS NOT NULL AND (l.part > 0 OR l.sender = ANY (p.numbers))
                 THEN l.sender
                 ELSE p.numbers[1 + ltrim(r.phone, '+')::bigint % cardinality(p.numbers)]
                 END AS new_sender,
            CASE WHEN a.credentials IS NULL THEN coalesce(CAST(:platform AS text), a.account)
                 ELSE a.account END AS account,
            CASE WHEN c.status = 'cancelled' THEN 'cancelled'
                 WHEN s.phone IS NOT NULL THEN 'suppressed'
                 WHEN c.send_before <= now() THEN 'expired'
                 -- A question of its own: joined, Postgres takes a table that nobody analyzes for
                 -- a thousand rows, and reads all messages to update a few.
                 WHEN c.status <> 'running' OR a.status <> 'active'
                      OR (SELECT stopped_at IS NOT NULL FROM control) THEN 'waits'
                 WHEN h.until IS NOT NULL THEN 'held'
                 -- A text that was begun has paid its day for all its parts.
                 WHEN p.numbers IS NULL AND p.any_spent
                 THEN CASE WHEN l.part = 0 THEN 'held' ELSE 'sending' END
                 WHEN p.numbers IS NULL AND a.messaging_service_sid IS NULL
                      AND c.settings #>> '{options,messaging_service_sid}' IS NULL THEN 'held'
                 ELSE 'sending' END AS fitness,
            coalesce(
                h.until,
                CASE WHEN p.all_spent
                     THEN (((now() AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp
                           AT TIME ZONE 'America/Los_Angeles') END,
                now() + interval '60 s') AS until
        FROM locked l
        JOIN recipient r ON r.id = l.recipient_id
        JOIN campaign c ON c.id = l.campaign_id
        JOIN agent a ON a.key = l.agent_key
        LEFT JOIN pool p ON p.agent_key = l.agent_key
        LEFT JOIN LATERAL (
            SELECT phone FROM suppression WHERE suppression.phone = r.phone AND scope = 'all'
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT max(coalesce(until, now() + interval '5 min')) AS until FROM hold
            WHERE hold.agent_key = l.agent_key AND lifted_at IS NULL
              AND (until IS NULL OR until > now())
              AND (scope IN ('agent', 'account')
                   OR (scope = 'country' AND subject = r.country::text)
                   OR (scope = 'sender' AND l.part > 0 AND subject = l.sender))
        ) h ON true
    ), day AS MATERIALIZED (
        SELECT number, segments_per_day AS most,
               CASE WHEN day >= (now() AT TIME ZONE 'America/Los_Angeles')::date
                    THEN used ELSE 0 END AS used
        FROM sender_limit
        WHERE segments_per_day IS NOT NULL
          AND number IN (SELECT new_sender FROM fit WHERE fitness = 'sending' AND part = 0)
        ORDER BY number FOR UPDATE
    ), paid AS (
        -- A text pays for all its parts with its first, and none is begun that the day cannot end.
        SELECT f.*, day.most, day.used, paced.number IS NOT NULL AS paced,
            CASE WHEN fitness = 'sending' AND part = 0 THEN day.number END AS pays,
            fitness = 'sending' AND part = 0 AND day.used + segments > day.most IS TRUE AS is_full,
            CASE WHEN fitness = 'sending' AND paced.number IS NOT NULL
                      AND (:unasked OR sender IS DISTINCT FROM new_sender) THEN 'waits'
                 ELSE fitness END AS opinion
        FROM fit f LEFT JOIN day ON day.number = f.new_sender
        LEFT JOIN sender_limit paced ON paced.number = f.new_sender
            AND paced.segments_per_second IS NOT NULL
    ), judged AS MATERIALIZED (
        -- What the others of this claim have left too little for looks again at once.
        SELECT paid.*,
            CASE WHEN opinion <> 'sending' OR pays IS NULL THEN opinion
                 WHEN is_full THEN 'held'
                 WHEN most < used + sum(segments) FILTER (WHERE opinion = 'sending' AND NOT is_full)
                      OVER (PARTITION BY pays ORDER BY id) THEN 'waits'
                 ELSE 'sending' END AS verdict
        FROM paid
    ), charged AS (
        UPDATE sender_limit u SET
            day = greatest(u.day, (now() AT TIME ZONE 'America/Los_Angeles')::date),
            used = g.used + g.taken,
            full_on = CASE WHEN g.is_full
                           THEN greatest(u.day, (now() AT TIME ZONE 'America/Los_Angeles')::date)
                           ELSE u.full_on END
        FROM (
            SELECT pays, min(used) AS used, bool_or(is_full) AS is_full,
                   coalesce(sum(segments) FILTER (WHERE verdict = 'sending'), 0) AS taken
            FROM judged WHERE pays IS NOT NULL GROUP BY pays
        ) g WHERE u.number = g.pays
    ), moved AS (
        UPDATE message m SET
            status = CASE WHEN j.verdict IN ('waits', 'held') THEN 'ready' ELSE j.verdict END,
            -- A text that was begun goes before those that were not.
            due_at = CASE WHEN j.verdict = 'waits' AND j.part > 0 THEN m.created_at
                          WHEN j.verdict = 'waits' THEN now()
                          WHEN j.is_full
                          THEN (((now() AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp
                                AT TIME ZONE 'America/Los_Angeles')
                          WHEN j.verdict = 'held' THEN j.until END,
            n = m.n + (j.verdict = 'sending')::int,
            attempts = m.attempts + (j.verdict = 'sending')::int,
            token = CASE WHEN j.verdict = 'sending' THEN j.token ELSE m.token END,
            sender = CASE WHEN j.verdict = 'sending' THEN j.new_sender ELSE m.sender END
        FROM judged j WHERE m.id = j.id
        -- All that is needed further on, so that nothing is joined to it again: the planner knows
        -- nothing of the size of these lists, and would compare every row with every other.
        RETURNING j.verdict, m.id, m.campaign_id, m.agent_key, m.part, m.n, j.token, j.phone,
                  j.new_sender, j.account, j.paced, j.pays, j.segments, m.body, m.cuts
    ), tried AS (
        INSERT INTO attempt (message_id, part, n, token, account, sender, claimed_at, claimed_by,
                             check_at, charged)
        SELECT id, part, n, token, account, new_sender, clock_timestamp(), :by,
               clock_timestamp() + :reconcile_after, CASE WHEN pays IS NOT NULL THEN segments END
        FROM moved WHERE verdict = 'sending'
    ), noted AS (
        INSERT INTO event (message_id, kind, details)
        SELECT id, verdict, jsonb_build_object('by', 'claim') FROM moved
        WHERE verdict IN ('suppressed', 'expired', 'cancelled')
    )
    SELECT verdict, id, campaign_id, agent_key, part, token, phone, new_sender, account, paced,
           body, cuts
    FROM moved
    UNION ALL
    -- An earlier try of this very claim committed, and its answer was lost with the connection.
    SELECT 'sending', m.id, m.campaign_id, m.agent_key, m.part, m.token, r.phone, m.sender,
           (SELECT account FROM attempt WHERE message_id = m.id AND token = m.token),
           EXISTS (SELECT 1 FROM sender_limit
                   WHERE number = m.sender AND segments_per_second IS NOT NULL),
           m.body, m.cuts
    FROM (SELECT DISTINCT id, token FROM hint) AS asked
    JOIN message m ON m.id = asked.id AND m.token = asked.token
    JOIN recipient r ON r.id = m.recipient_id
    WHERE m.status = 'sending'
    ORDER BY 2
""")
