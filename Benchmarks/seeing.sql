-- One round of Benchmarks/seeing: fill, then look; `events` is how many there are to be.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS bench;
SELECT gatepost.make_partition('event', clock_timestamp() - d * interval '1 day') FROM generate_series(1, 20) d \g /dev/null
SELECT admin.tenant_create('bench', 't' || g, '{}') FROM generate_series(1, 20) g
WHERE NOT EXISTS (SELECT FROM gatepost.tenant t WHERE t.slug = 't' || g) \g /dev/null
SELECT admin.credential_issue('bench', t.slug, t.slug || '.' || n, 'SCRAM-SHA-256$4096:c2FsdA==$a:b', sha256('x'))
FROM gatepost.tenant t, (VALUES ('often'), ('seldom')) AS v (n)
WHERE NOT EXISTS (SELECT FROM gatepost.credential c WHERE c.tenant_id = t.id) \g /dev/null
TRUNCATE gatepost.event;
-- A partition at a time, filled before it is attached: its indexes are made then, which is the cheaper way round.
-- Transactions of 5,000 events each, every thousandth event a refusal, every hundred thousandth a warning, and one in
-- 20,000 of a tenant's by a credential that sends seldom.
CREATE OR REPLACE PROCEDURE bench.fill(events bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_first bigint := (SELECT min(t.id) FROM gatepost.tenant t WHERE t.slug ~ '^t[0-9]+$');
    v_often bigint[] := ARRAY(SELECT c.id FROM gatepost.tenant t JOIN gatepost.credential c ON c.name = t.slug || '.often'
                              WHERE t.slug ~ '^t[0-9]+$' ORDER BY t.id);
    v_seldom bigint[] := ARRAY(SELECT c.id FROM gatepost.tenant t JOIN gatepost.credential c ON c.name = t.slug || '.seldom'
                               WHERE t.slug ~ '^t[0-9]+$' ORDER BY t.id);
    v_now timestamptz := date_bin('1 day', clock_timestamp(), '2000-01-01 00:00:00+00');
    v_day timestamptz;
    v_name text;
    v_each bigint := events / 20;
BEGIN
    FOR d IN 0..19 LOOP
        v_day := v_now - (20 - d) * interval '1 day';
        v_name := 'event_' || to_char(v_day AT TIME ZONE 'UTC', 'YYYYMMDD"t"HH24');
        EXECUTE format('DROP TABLE IF EXISTS gatepost.%I', v_name);
        EXECUTE format('CREATE TABLE gatepost.%I (LIKE gatepost.event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
        EXECUTE format($q$
            INSERT INTO gatepost.%I (tenant_id, id, at, kind, message_id, credential_id, session, xid)
            SELECT $1 + g %% 20, i.id, q.at,
                   CASE WHEN g %% 1000 = 2 THEN 'refused' WHEN g %% 100000 = 1 THEN 'limit_warning'
                        WHEN g %% 2 = 0 THEN 'accepted' ELSE 'delivered' END,
                   i.id, CASE WHEN g / 20 %% 20000 = 7 THEN $3[1 + g %% 20] ELSE $2[1 + g %% 20] END,
                   CASE WHEN g %% 2 = 0 THEN i.id END, ($4 + g / 5000)::text::xid8
            FROM generate_series(1, $6) AS g
            CROSS JOIN LATERAL (SELECT $5 + floor(g * (86399000000.0::float8 / $6)) * interval '1 microsecond' AS at OFFSET 0) AS q
            CROSS JOIN LATERAL (
                SELECT (lpad(to_hex(floor(extract(epoch FROM q.at) * 1000)::bigint), 12, '0') || '7000'
                        || lpad(to_hex(g), 16, '0'))::uuid AS id OFFSET 0) AS i$q$, v_name)
        USING v_first, v_often, v_seldom, 3 + d * (v_each / 5000 + 1), v_day, v_each;
        EXECUTE format('ALTER TABLE gatepost.event ATTACH PARTITION gatepost.%I FOR VALUES FROM (%L) TO (%L)', v_name,
                       gatepost.uuid_floor(v_day), gatepost.uuid_floor(v_day + interval '1 day'));
        COMMIT;
        EXECUTE format('ANALYZE gatepost.%I', v_name);
    END LOOP;
END
$$;
CALL bench.fill(:events);
ANALYZE gatepost.event;

CREATE OR REPLACE FUNCTION bench.looks(query text, OUT rows int, OUT blocks bigint, OUT milliseconds numeric)
LANGUAGE plpgsql AS $$
DECLARE
    v_plan json;
BEGIN
    FOR i IN 1..2 LOOP  -- the first time reads the catalogue too
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO v_plan;
    END LOOP;
    rows := v_plan -> 0 -> 'Plan' ->> 'Actual Rows';
    blocks := (v_plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint
        + (v_plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
    milliseconds := round((v_plan -> 0 ->> 'Execution Time')::numeric, 1);
END
$$;

CREATE TEMP TABLE looks AS
SELECT q.what, l.* FROM (
    SELECT 'the newest 100' AS what, 'SELECT * FROM admin.event_list(NULL, NULL, NULL, NULL, NULL, NULL, NULL, 100, NULL)'
        AS query
    UNION ALL SELECT 'a tenant''s newest 100',
        'SELECT * FROM admin.event_list(''t3'', NULL, NULL, NULL, NULL, NULL, NULL, 100, NULL)'
    UNION ALL SELECT 'a tenant''s refusals',
        'SELECT * FROM admin.event_list(''t3'', NULL, ''refused'', NULL, NULL, NULL, NULL, 100, NULL)'
    UNION ALL SELECT 'warnings of anybody',
        'SELECT * FROM admin.event_list(NULL, NULL, ''limit_warning'', NULL, NULL, NULL, NULL, 100, NULL)'
    UNION ALL SELECT 'a tenant''s, 3 days ago', 'SELECT * FROM admin.event_list(''t3'', NULL, NULL, NULL, NULL, NULL, '
        || 'clock_timestamp() - interval ''77 hours'', 100, NULL)'
    UNION ALL SELECT 'anybody''s, 3 days ago', 'SELECT * FROM admin.event_list(NULL, NULL, NULL, NULL, NULL, NULL, '
        || 'clock_timestamp() - interval ''77 hours'', 100, NULL)'
    UNION ALL SELECT 'anybody''s of 10 minutes', 'SELECT * FROM admin.event_list(NULL, NULL, ''accepted'', NULL, NULL, '
        || 'clock_timestamp() - interval ''77 hours 10 minutes'', clock_timestamp() - interval ''77 hours'', 100, NULL)'
    UNION ALL SELECT 'a credential''s newest 100',
        'SELECT * FROM admin.event_list(NULL, ''t3.often'', NULL, NULL, NULL, NULL, NULL, 100, NULL)'
    UNION ALL SELECT 'of one that sends seldom',
        'SELECT * FROM admin.event_list(NULL, ''t3.seldom'', NULL, NULL, NULL, NULL, NULL, 100, NULL)'
    UNION ALL SELECT 'a message''s', format('SELECT * FROM admin.event_list(NULL, NULL, NULL, %L, NULL, NULL, NULL, 100,'
        || ' NULL)', (SELECT e.message_id FROM gatepost.event e WHERE e.kind = 'refused' LIMIT 1))
    UNION ALL SELECT 'a session''s', format('SELECT * FROM admin.event_list(NULL, NULL, NULL, NULL, %L, NULL, NULL, 100,'
        || ' NULL)', (SELECT e.session FROM gatepost.event e WHERE e.session IS NOT NULL LIMIT 1))
    UNION ALL SELECT 'the next 100 behind a position',
        'SELECT * FROM admin.event_after(''4:00000000-0000-0000-0000-000000000000'', 100, NULL, NULL, NULL, NULL, NULL)'
    UNION ALL SELECT 'usage now', 'SELECT * FROM admin.usage(''t3'')'
    UNION ALL SELECT 'usage by day', 'SELECT * FROM admin.usage_history(''t3'', ''day'', NULL, NULL, ''tenant'', NULL)'
) AS q CROSS JOIN LATERAL bench.looks(q.query) AS l;
SELECT :events AS events;
SELECT * FROM looks;
SELECT 1 / (CASE WHEN max(blocks) > 2000 THEN 0 ELSE 1 END) AS "all below 2,000 blocks" FROM looks;
DROP TABLE looks;
