"""The statements that apply evidence, whole: what we are told, and what callbacks have kept.

The two of a pair differ in where the evidence is read, and in nothing else:
tests/architecture/test_twins.py holds them together, and their lists of statuses with the tables
in shared/domain/message.py.
"""

from typing import Final

from sqlalchemy import text

# What we were told when we asked needs no account: we knew whom we asked.
APPLY: Final = text("""
    WITH given AS MATERIALIZED (
        SELECT DISTINCT ON (id, token) *, CAST(NULL AS text) AS account
        FROM unnest(
            CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sids AS text[]),
            CAST(:statuses AS text[]), CAST(:ranks AS int[]), CAST(:codes AS int[]),
            CAST(:sentences AS text[]), CAST(:sources AS text[]))
            WITH ORDINALITY AS g(id, token, sid, status, rank, code, sentence, source, ord)
        ORDER BY id, token, rank DESC, ord
    ), met AS MATERIALIZED (
        SELECT a.message_id, a.part, a.n, a.token, g.account,
               -- The account of an attempt; of one made before accounts were kept, its agent's.
               (g.account <> coalesce(a.account, (
                   SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
                   WHERE w.id = a.message_id))) IS TRUE AS of_a_stranger,
               g.sid, g.status, g.rank, g.code, g.sentence, g.source, a.sender AS called_from,
               cardinality(m.cuts) AS more,
               CASE a.status WHEN 'sending' THEN 0 WHEN 'returned' THEN 0 WHEN 'unknown' THEN 0
                             WHEN 'accepted' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3
                             WHEN 'undelivered' THEN 3 WHEN 'failed' THEN 3
                             WHEN 'cancelled' THEN 3 END AS old_rank,
               m.token IS DISTINCT FROM a.token AND EXISTS (
                   SELECT 1 FROM attempt b
                   WHERE b.message_id = a.message_id AND b.part = a.part AND b.n > a.n
                     AND (b.status <> 'returned' OR EXISTS (
                         SELECT 1 FROM given x
                         WHERE x.token = b.token AND (x.account <> coalesce(b.account, (
                             SELECT agent.account
                             FROM message w JOIN agent ON agent.key = w.agent_key
                             WHERE w.id = b.message_id))) IS NOT TRUE)))
               OR a.status = 'returned' AND EXISTS (
                   SELECT 1 FROM attempt b
                   WHERE b.message_id = a.message_id AND b.part = a.part AND b.n <> a.n
                     AND b.status NOT IN ('sending', 'returned', 'unknown')) AS superseded
        FROM given g
        JOIN message m ON m.id = g.id
        JOIN attempt a ON a.message_id = g.id AND a.token = g.token
        WHERE (g.account <> coalesce(a.account, (
                SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
                WHERE w.id = a.message_id))) IS TRUE
            OR ((a.sid IS NULL OR g.sid IS NULL OR a.sid = g.sid)
                AND (a.sid IS NOT NULL OR g.sid IS NULL
                     -- Most evidence is about a message's latest attempt, whose SID is known: it
                     -- costs no look at others. OFFSET 0 keeps the planner from reading all
                     -- attempts for that instead of one.
                     OR NOT EXISTS (SELECT 1 FROM attempt b WHERE b.sid = g.sid OFFSET 0)))
    ), known AS NOT MATERIALIZED (
        SELECT * FROM met WHERE NOT of_a_stranger
    ), raised AS (
        UPDATE attempt a SET
            sid = coalesce(a.sid, k.sid),
            status = CASE WHEN k.rank > k.old_rank THEN k.status ELSE a.status END,
            outcome = CASE WHEN k.old_rank = 0 OR k.source = 'answer'
                           THEN CASE WHEN a.outcome IS NULL OR k.source = 'answer' THEN 'accepted'
                                     ELSE a.outcome || ', then accepted (' || k.source || ')' END
                           ELSE a.outcome END,
            recorded_at = coalesce(a.recorded_at, clock_timestamp()),
            error_code = CASE WHEN k.rank > k.old_rank THEN k.code ELSE a.error_code END,
            error_message = CASE WHEN k.rank > k.old_rank THEN k.sentence ELSE a.error_message END,
            check_at = CASE WHEN greatest(k.rank, k.old_rank) = 3 THEN NULL
                            WHEN k.old_rank = 0 THEN now() + :poll_after ELSE a.check_at END,
            checks = CASE WHEN k.old_rank = 0 THEN 0 ELSE a.checks END
        FROM known k
        WHERE a.message_id = k.message_id AND a.part = k.part AND a.n = k.n
    ), moved AS (
        UPDATE message m SET
            status = k.status, due_at = NULL, compose_at = NULL, part = 1,
            error_code = k.code, error_message = k.sentence,
            sent_at = CASE WHEN k.rank >= 1 THEN coalesce(m.sent_at, now()) END,
            delivered_at = CASE WHEN k.status = 'delivered' THEN now() END
        FROM known k
        WHERE m.id = k.message_id AND NOT k.superseded AND k.more = 0 AND k.rank > k.old_rank
          AND m.status || '>' || k.status IN (
              'draft>cancelled',
              'planned>cancelled',
              'ready>accepted', 'ready>cancelled', 'ready>delivered', 'ready>failed',
                  'ready>sending', 'ready>sent', 'ready>undelivered',
              'sending>accepted', 'sending>cancelled', 'sending>delivered', 'sending>failed',
                  'sending>sent', 'sending>undelivered', 'sending>unknown',
              'accepted>cancelled', 'accepted>delivered', 'accepted>failed', 'accepted>sent',
                  'accepted>undelivered',
              'sent>delivered', 'sent>failed', 'sent>undelivered',
              'failed>accepted', 'failed>delivered', 'failed>sent', 'failed>undelivered',
              'suppressed>accepted', 'suppressed>delivered', 'suppressed>failed',
                  'suppressed>sent', 'suppressed>undelivered',
              'cancelled>accepted', 'cancelled>delivered', 'cancelled>failed', 'cancelled>sent',
                  'cancelled>undelivered',
              'expired>accepted', 'expired>delivered', 'expired>failed', 'expired>sent',
                  'expired>undelivered',
              'unknown>accepted', 'unknown>cancelled', 'unknown>delivered', 'unknown>failed',
                  'unknown>sent', 'unknown>undelivered')
    ), incidents AS (
        INSERT INTO event (message_id, kind, details)
        SELECT message_id, 'duplicate', jsonb_build_object(
            'part', part, 'attempt', n, 'sid', sid, 'source', source,
            'text', 'a superseded attempt went out after all')
        FROM known WHERE superseded AND old_rank = 0
    )
    SELECT count(*) FILTER (WHERE rank > old_rank) AS raised,
        array_agg(DISTINCT message_id) FILTER (WHERE rank > old_rank AND more > 0) AS long_ones,
        array_agg(message_id ORDER BY message_id) FILTER (WHERE superseded AND old_rank = 0)
            AS duplicates,
        jsonb_agg(jsonb_build_array(message_id, called_from, code) ORDER BY message_id)
            FILTER (WHERE rank > old_rank AND code IS NOT NULL) AS failed,
        (SELECT jsonb_agg(to_jsonb(met)) FROM met WHERE of_a_stranger) AS strangers
    FROM known
""")

APPLY_KEPT: Final = text("""
    WITH taken AS (
        UPDATE callback SET applied = true WHERE ctid = ANY (CAST(:places AS tid[]))
        RETURNING seq, message_id, token, sid, status, rank, error_code, account
    ), given AS MATERIALIZED (
        SELECT DISTINCT ON (message_id, token, account) message_id AS id, token, sid, status, rank,
            error_code AS code, CAST(NULL AS text) AS sentence, 'callback' AS source, account
        FROM taken WHERE rank > 0 AND token IS NOT NULL
        ORDER BY message_id, token, account, rank DESC, seq
    ), met AS MATERIALIZED (
        SELECT a.message_id, a.part, a.n, a.token, g.account,
               -- The account of an attempt; of one made before accounts were kept, its agent's.
               (g.account <> coalesce(a.account, (
                   SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
                   WHERE w.id = a.message_id))) IS TRUE AS of_a_stranger,
               g.sid, g.status, g.rank, g.code, g.sentence, g.source, a.sender AS called_from,
               cardinality(m.cuts) AS more,
               CASE a.status WHEN 'sending' THEN 0 WHEN 'returned' THEN 0 WHEN 'unknown' THEN 0
                             WHEN 'accepted' THEN 1 WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3
                             WHEN 'undelivered' THEN 3 WHEN 'failed' THEN 3
                             WHEN 'cancelled' THEN 3 END AS old_rank,
               m.token IS DISTINCT FROM a.token AND EXISTS (
                   SELECT 1 FROM attempt b
                   WHERE b.message_id = a.message_id AND b.part = a.part AND b.n > a.n
                     AND (b.status <> 'returned' OR EXISTS (
                         SELECT 1 FROM given x
                         WHERE x.token = b.token AND (x.account <> coalesce(b.account, (
                             SELECT agent.account
                             FROM message w JOIN agent ON agent.key = w.agent_key
                             WHERE w.id = b.message_id))) IS NOT TRUE)))
               OR a.status = 'returned' AND EXISTS (
                   SELECT 1 FROM attempt b
                   WHERE b.message_id = a.message_id AND b.part = a.part AND b.n <> a.n
                     AND b.status NOT IN ('sending', 'returned', 'unknown')) AS superseded
        FROM given g
        JOIN message m ON m.id = g.id
        JOIN attempt a ON a.message_id = g.id AND a.token = g.token
        WHERE (g.account <> coalesce(a.account, (
                SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
                WHERE w.id = a.message_id))) IS TRUE
            OR ((a.sid IS NULL OR g.sid IS NULL OR a.sid = g.sid)
                AND (a.sid IS NOT NULL OR g.sid IS NULL
                     -- Most evidence is about a message's latest attempt, whose SID is known: it
                     -- costs no look at others. OFFSET 0 keeps the planner from reading all
                     -- attempts for that instead of one.
                     OR NOT EXISTS (SELECT 1 FROM attempt b WHERE b.sid = g.sid OFFSET 0)))
    ), known AS NOT MATERIALIZED (
        SELECT * FROM met WHERE NOT of_a_stranger
    ), raised AS (
        UPDATE attempt a SET
            sid = coalesce(a.sid, k.sid),
            status = CASE WHEN k.rank > k.old_rank THEN k.status ELSE a.status END,
            outcome = CASE WHEN k.old_rank = 0 OR k.source = 'answer'
                           THEN CASE WHEN a.outcome IS NULL OR k.source = 'answer' THEN 'accepted'
                                     ELSE a.outcome || ', then accepted (' || k.source || ')' END
                           ELSE a.outcome END,
            recorded_at = coalesce(a.recorded_at, clock_timestamp()),
            error_code = CASE WHEN k.rank > k.old_rank THEN k.code ELSE a.error_code END,
            error_message = CASE WHEN k.rank > k.old_rank THEN k.sentence ELSE a.error_message END,
            check_at = CASE WHEN greatest(k.rank, k.old_rank) = 3 THEN NULL
                            WHEN k.old_rank = 0 THEN now() + :poll_after ELSE a.check_at END,
            checks = CASE WHEN k.old_rank = 0 THEN 0 ELSE a.checks END
        FROM known k
        WHERE a.message_id = k.message_id AND a.part = k.part AND a.n = k.n
    ), moved AS (
        UPDATE message m SET
            status = k.status, due_at = NULL, compose_at = NULL, part = 1,
            error_code = k.code, error_message = k.sentence,
            sent_at = CASE WHEN k.rank >= 1 THEN coalesce(m.sent_at, now()) END,
            delivered_at = CASE WHEN k.status = 'delivered' THEN now() END
        FROM known k
        WHERE m.id = k.message_id AND NOT k.superseded AND k.more = 0 AND k.rank > k.old_rank
          AND m.status || '>' || k.status IN (
              'draft>cancelled',
              'planned>cancelled',
              'ready>accepted', 'ready>cancelled', 'ready>delivered', 'ready>failed',
                  'ready>sending', 'ready>sent', 'ready>undelivered',
              'sending>accepted', 'sending>cancelled', 'sending>delivered', 'sending>failed',
                  'sending>sent', 'sending>undelivered', 'sending>unknown',
              'accepted>cancelled', 'accepted>delivered', 'accepted>failed', 'accepted>sent',
                  'accepted>undelivered',
              'sent>delivered', 'sent>failed', 'sent>undelivered',
              'failed>accepted', 'failed>delivered', 'failed>sent', 'failed>undelivered',
              'suppressed>accepted', 'suppressed>delivered', 'suppressed>failed',
                  'suppressed>sent', 'suppressed>undelivered',
              'cancelled>accepted', 'cancelled>delivered', 'cancelled>failed', 'cancelled>sent',
                  'cancelled>undelivered',
              'expired>accepted', 'expired>delivered', 'expired>failed', 'expired>sent',
                  'expired>undelivered',
              'unknown>accepted', 'unknown>cancelled', 'unknown>delivered', 'unknown>failed',
                  'unknown>sent', 'unknown>undelivered')
    ), incidents AS (
        INSERT INTO event (message_id, kind, details)
        SELECT message_id, 'duplicate', jsonb_build_object(
            'part', part, 'attempt', n, 'sid', sid, 'source', source,
            'text', 'a superseded attempt went out after all')
        FROM known WHERE superseded AND old_rank = 0
    )
    SELECT count(*) FILTER (WHERE rank > old_rank) AS raised,
        array_agg(DISTINCT message_id) FILTER (WHERE rank > old_rank AND more > 0) AS long_ones,
        array_agg(message_id ORDER BY message_id) FILTER (WHERE superseded AND old_rank = 0)
            AS duplicates,
        jsonb_agg(jsonb_build_array(message_id, called_from, code) ORDER BY message_id)
            FILTER (WHERE rank > old_rank AND code IS NOT NULL) AS failed,
        (SELECT jsonb_agg(to_jsonb(met)) FROM met WHERE of_a_stranger) AS strangers
    FROM known
""")

# An end may come without its code, and again with it, in a later batch or the same one. The status
# stays; the code is news once. Few callbacks carry one, so the others do not pay for this.
FILL_CODES: Final = text("""
    WITH told AS (
        SELECT *, CAST(NULL AS text) AS account
        FROM unnest(
            CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sids AS text[]),
            CAST(:statuses AS text[]), CAST(:ranks AS int[]), CAST(:codes AS int[]),
            CAST(:sentences AS text[]), CAST(:sources AS text[]))
            WITH ORDINALITY AS t(id, token, sid, status, rank, code, sentence, source, ord)
    ), gap AS MATERIALIZED (
        SELECT DISTINCT ON (a.message_id, a.part, a.n)
            a.message_id, a.part, a.n, a.status, a.sender, t.code, t.sentence
        FROM told t JOIN attempt a ON a.message_id = t.id AND a.token = t.token
        WHERE t.rank > 0 AND a.status = t.status AND a.error_code IS NULL
          AND (t.sid IS NULL OR a.sid = t.sid)
          AND (t.account <> coalesce(a.account, (
              SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
              WHERE w.id = a.message_id))) IS NOT TRUE
        ORDER BY a.message_id, a.part, a.n, t.ord
    ), filled AS (
        UPDATE attempt a SET
            error_code = g.code, error_message = coalesce(a.error_message, g.sentence)
        FROM gap g WHERE a.message_id = g.message_id AND a.part = g.part AND a.n = g.n
    ), explained AS (
        UPDATE message m SET
            error_code = g.code, error_message = coalesce(m.error_message, g.sentence)
        FROM gap g WHERE m.id = g.message_id AND m.status = g.status AND m.error_code IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM attempt b WHERE b.message_id = g.message_id AND b.part = g.part
                AND b.n > g.n AND b.status <> 'returned')
    )
    SELECT message_id, sender, code FROM gap ORDER BY message_id
""")

FILL_CODES_KEPT: Final = text("""
    WITH told AS (
        SELECT message_id AS id, token, sid, status, rank, error_code AS code,
            CAST(NULL AS text) AS sentence, seq AS ord, account
        FROM callback WHERE seq = ANY (CAST(:seqs AS bigint[]))
    ), gap AS MATERIALIZED (
        SELECT DISTINCT ON (a.message_id, a.part, a.n)
            a.message_id, a.part, a.n, a.status, a.sender, t.code, t.sentence
        FROM told t JOIN attempt a ON a.message_id = t.id AND a.token = t.token
        WHERE t.rank > 0 AND a.status = t.status AND a.error_code IS NULL
          AND (t.sid IS NULL OR a.sid = t.sid)
          AND (t.account <> coalesce(a.account, (
              SELECT agent.account FROM message w JOIN agent ON agent.key = w.agent_key
              WHERE w.id = a.message_id))) IS NOT TRUE
        ORDER BY a.message_id, a.part, a.n, t.ord
    ), filled AS (
        UPDATE attempt a SET
            error_code = g.code, error_message = coalesce(a.error_message, g.sentence)
        FROM gap g WHERE a.message_id = g.message_id AND a.part = g.part AND a.n = g.n
    ), explained AS (
        UPDATE message m SET
            error_code = g.code, error_message = coalesce(m.error_message, g.sentence)
        FROM gap g WHERE m.id = g.message_id AND m.status = g.status AND m.error_code IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM attempt b WHERE b.message_id = g.message_id AND b.part = g.part
                AND b.n > g.n AND b.status <> 'returned')
    )
    SELECT message_id, sender, code FROM gap ORDER BY message_id
""")
