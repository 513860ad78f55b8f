-- admin.usage_verify: whether the counters are what the ledger says, and what is stored.
--   In     slug, null: every tenant; from_day and to_day, local days, both included (months that they touch are
--          looked at whole)
--   Out    a row for each difference, none if all is well. what: 'counter' (a row of usage that is not the sum of the
--          ledger: `counter` and `ledger` tell) or 'stored' (recipients stored and not refunded are not the sum of the
--          ledger: `ledger` and `stored` tell). figure: recipients, messages, octets, or where one message has too
--          many and another as many too few `recipients of ` and the oldest of them. period: day or month. credential:
--          null for the whole tenant. Stored recipients are compared where every partition of the day stands (see
--          gatepost.drop_horizon).
--          Not looked at: the buckets of a rolling day, which a database whose clock is set may rightly have forgotten,
--          and what is counted for nobody's limit, by domain and of test mode.
--   Raises GP002 no such tenant.
--   Locks  none: it sees one state of everything, tenant after tenant.
--   Repeat the same.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.usage_verify(slug text, from_day date, to_day date) RETURNS TABLE (
    tenant text, credential text, period text, starts date, what text, figure text, counter bigint, ledger bigint,
    stored bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_from date := date_trunc('month', usage_verify.from_day)::date;
    v_to date := (date_trunc('month', usage_verify.to_day) + interval '1 month')::date - 1;
    -- A local day lies within a day of UTC's, and an id within a minute of its time.
    v_low uuid := gatepost.uuid_floor(v_from - interval '2 days');
    v_high uuid := gatepost.uuid_floor(v_to + interval '3 days');
    v_stored_low uuid := gatepost.uuid_floor(usage_verify.from_day - interval '2 days');
    v_stored_high uuid := gatepost.uuid_floor(usage_verify.to_day + interval '3 days');
    v_credentials bigint[];
    v_days date[];
    v_owed bigint[];
    v_stored bigint[];
    v_oldest uuid[];
    v_wrong uuid[];  -- the oldest message with a difference, and its figures
    v_wrong_owed bigint[];
    v_wrong_stored bigint[];
    v_stands uuid;  -- ids from here on are in partitions that stand
    t record;
BEGIN
    IF usage_verify.slug IS NOT NULL AND NOT EXISTS (
        SELECT FROM gatepost.tenant t WHERE t.slug = usage_verify.slug)
    THEN
        RAISE EXCEPTION 'no tenant %', usage_verify.slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    END IF;
    FOR t IN
        SELECT t.id, t.slug FROM gatepost.tenant t
        WHERE usage_verify.slug IS NULL OR t.slug = usage_verify.slug ORDER BY t.slug
    LOOP
        RETURN QUERY
            WITH entry AS (
                SELECT l.credential_id, l.day, l.month, sum(l.recipients) AS recipients,
                       count(*) FILTER (WHERE l.entry = 0) AS messages, sum(l.bytes) AS bytes
                FROM gatepost.ledger l
                WHERE l.tenant_id = t.id AND l.message_id >= v_low AND l.message_id < v_high
                  AND l.day BETWEEN v_from AND v_to
                GROUP BY l.credential_id, l.day, l.month
            ), owed AS (
                SELECT x.credential_id, x.period, x.starts, sum(e.recipients) AS recipients,
                       sum(e.messages) AS messages, sum(e.bytes) AS bytes
                FROM entry e
                CROSS JOIN LATERAL (
                    VALUES (0::bigint, 'day', e.day), (0, 'month', e.month), (e.credential_id, 'day', e.day)
                ) AS x (credential_id, period, starts)
                GROUP BY x.credential_id, x.period, x.starts
            ), counted AS (
                SELECT u.credential_id, u.period, u.starts, u.recipients, u.messages, u.bytes FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.period IN ('day', 'month') AND u.starts BETWEEN v_from AND v_to
            )
            SELECT t.slug, c.name, d.period, d.starts, 'counter', f.figure, f.counter, f.ledger, NULL::bigint
            FROM (SELECT credential_id, period, starts, coalesce(u.recipients, 0) AS used,
                         coalesce(o.recipients, 0)::bigint AS owed, coalesce(u.messages, 0) AS messages,
                         coalesce(o.messages, 0)::bigint AS owed_messages, coalesce(u.bytes, 0) AS bytes,
                         coalesce(o.bytes, 0)::bigint AS owed_bytes
                  FROM counted u FULL JOIN owed o USING (credential_id, period, starts)) AS d
            CROSS JOIN LATERAL (VALUES (1, 'recipients', d.used, d.owed), (2, 'messages', d.messages, d.owed_messages),
                                       (3, 'octets', d.bytes, d.owed_bytes)) AS f (place, figure, counter, ledger)
            LEFT JOIN LATERAL (
                SELECT coalesce((SELECT c.name FROM gatepost.credential c
                                 WHERE c.tenant_id = t.id AND c.id = d.credential_id),
                                '#' || d.credential_id) AS name) AS c ON d.credential_id <> 0
            WHERE f.counter <> f.ledger AND (d.period = 'month' OR d.starts BETWEEN usage_verify.from_day
                                             AND usage_verify.to_day)
            ORDER BY d.period, d.starts, d.credential_id, f.place;

        WITH owed AS (
            SELECT l.message_id, l.credential_id, l.day, sum(l.recipients) AS recipients FROM gatepost.ledger l
            WHERE l.tenant_id = t.id AND l.message_id >= v_stored_low AND l.message_id < v_stored_high
              AND l.day BETWEEN usage_verify.from_day AND usage_verify.to_day
            GROUP BY l.message_id, l.credential_id, l.day
        ), kept AS (
            SELECT q.message_id, count(*) FILTER (WHERE q.state <> 'cancelled') AS recipients
            FROM (SELECT r.message_id, r.state FROM gatepost.recipient r
                  WHERE r.tenant_id = t.id AND r.message_id >= v_stored_low AND r.message_id < v_stored_high
                  UNION ALL
                  SELECT r.message_id, r.state FROM gatepost.recipient_straggler r
                  WHERE r.tenant_id = t.id AND r.message_id >= v_stored_low AND r.message_id < v_stored_high) AS q
            GROUP BY q.message_id
        ), foreign_mail AS (
            -- Stored, and in no ledger at all: mail only, for reports, notices and tests are never debited.
            SELECT k.message_id, m.credential_id,
                   (m.accepted_at AT TIME ZONE coalesce((SELECT n.zone FROM gatepost.tenant n WHERE n.id = t.id),
                                                        'UTC'))::date AS day, k.recipients
            FROM kept k
            JOIN LATERAL (
                SELECT o.credential_id, o.accepted_at, o.kind FROM gatepost.message o
                WHERE o.tenant_id = t.id AND o.id = k.message_id
                UNION ALL
                SELECT o.credential_id, o.accepted_at, o.kind FROM gatepost.message_straggler o
                WHERE o.tenant_id = t.id AND o.id = k.message_id) AS m ON m.kind = 'mail'
            WHERE NOT EXISTS (SELECT FROM gatepost.ledger l
                              WHERE l.tenant_id = t.id AND l.message_id = k.message_id)
        )
        SELECT array_agg(w.credential_id), array_agg(w.day), array_agg(w.owed), array_agg(w.stored),
               array_agg(w.oldest), array_agg(w.wrong), array_agg(w.wrong_owed), array_agg(w.wrong_stored)
        INTO v_credentials, v_days, v_owed, v_stored, v_oldest, v_wrong, v_wrong_owed, v_wrong_stored
        FROM (
            SELECT q.credential_id, q.day, sum(q.owed)::bigint AS owed, sum(q.stored)::bigint AS stored,
                   (array_agg(q.message_id ORDER BY q.message_id))[1] AS oldest,
                   (array_agg(q.message_id ORDER BY q.message_id) FILTER (WHERE q.owed <> q.stored))[1] AS wrong,
                   (array_agg(q.owed ORDER BY q.message_id) FILTER (WHERE q.owed <> q.stored))[1]::bigint
                       AS wrong_owed,
                   (array_agg(q.stored ORDER BY q.message_id) FILTER (WHERE q.owed <> q.stored))[1] AS wrong_stored
            FROM (
                SELECT o.credential_id, o.day, o.message_id, o.recipients AS owed, coalesce(k.recipients, 0) AS stored
                FROM owed o LEFT JOIN kept k ON k.message_id = o.message_id
                UNION ALL
                SELECT f.credential_id, f.day, f.message_id, 0, f.recipients FROM foreign_mail f
                WHERE f.day BETWEEN usage_verify.from_day AND usage_verify.to_day
            ) AS q
            GROUP BY q.credential_id, q.day
            HAVING bool_or(q.owed <> q.stored)
        ) AS w;
        -- Asked afterwards, and of the catalogue as it is now: one that was dropped meanwhile was perhaps not read.
        v_stands := greatest(
            gatepost.uuid_floor(greatest((SELECT h.below FROM gatepost.drop_horizon h), '2000-01-01')),
            (SELECT b.bounds[1]::uuid
             FROM pg_partition_tree('gatepost.recipient') AS p
             JOIN pg_class c ON c.oid = p.relid
             CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(.*)'\) TO$x$) AS b (bounds)
             WHERE p.isleaf ORDER BY b.bounds[1]::uuid LIMIT 1));
        RETURN QUERY
            SELECT t.slug, coalesce((SELECT c.name FROM gatepost.credential c
                                     WHERE c.tenant_id = t.id AND c.id = s.credential_id), '#' || s.credential_id),
                   'day', s.day, 'stored', f.figure, NULL::bigint, f.owed, f.stored
            FROM unnest(v_credentials, v_days, v_owed, v_stored, v_oldest, v_wrong, v_wrong_owed, v_wrong_stored)
                AS s (credential_id, day, owed, stored, oldest, wrong, wrong_owed, wrong_stored)
            CROSS JOIN LATERAL (
                SELECT 'recipients' AS figure, s.owed, s.stored WHERE s.owed <> s.stored
                UNION ALL
                SELECT 'recipients of ' || s.wrong, s.wrong_owed, s.wrong_stored WHERE s.owed = s.stored) AS f
            WHERE s.oldest >= v_stands
            ORDER BY s.day, s.credential_id;
    END LOOP;
END
$$;

ALTER FUNCTION admin.usage_verify(text, date, date) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage_verify(text, date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage_verify(text, date, date) TO gatepost_admin, gatepost_viewer;
