-- One round of Benchmarks/seeing: fill, then look; `events` is how many there are to be.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS bench;
SELECT gatepost.make_partition('event', clock_timestamp() - d * interval '1 day') FROM generate_series(1, 20) d \g /dev/null
SELECT admin.tenant_create('bench', 't' || g, '{}') FROM generate_series(1, 20) g
WHERE NOT EXISTS (SELECT FROM gatepost.tenant t WHERE t.slug = 't' || g) \g /dev/null
TRUNCATE gatepost.event;
-- Transactions of 1,000 events each, every thousandth a refusal, every hundred thousandth a warning.
INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, session, xid)
SELECT (SELECT min(t.id) FROM gatepost.tenant t) + g % 20, gatepost.uuid_new(q.at), q.at,
       CASE WHEN g % 1000 = 0 THEN 'refused' WHEN g % 100000 = 1 THEN 'limit_warning' WHEN g % 2 = 0 THEN 'accepted'
            ELSE 'delivered' END,
       gatepost.uuid_new(q.at), CASE WHEN g % 2 = 0 THEN gatepost.uuid_new(q.at) END, (3 + g / 5000)::text::xid8
FROM generate_series(1, :events) g,
     LATERAL (SELECT clock_timestamp() - interval '20 days' + g * (interval '20 days' / :events) AS at) AS q;
VACUUM ANALYZE gatepost.event;

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
