-- admin.usage_tenants: every tenant's day and month, a page at a time.
--   In     after: the last slug of the page before, '' for the first; page_size
--   Out    by slug, deleted ones left out. cap null: unlimited. With a rolling window the day's use is what its 25 hour
--          buckets hold.
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.usage_tenants(after text, page_size int) RETURNS TABLE (
    tenant text, status text, day date, used bigint, cap bigint, month_used bigint, month_cap bigint, messages bigint,
    bytes bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
BEGIN
    RETURN QUERY
        SELECT t.slug, t.status, z.day,
               CASE t.daily_window WHEN 'rolling' THEN (gatepost.rolling(t.id, v_now, NULL, NULL)).used
                    ELSE coalesce(d.recipients, 0) END,
               t.daily_cap, coalesce(m.recipients, 0), t.monthly_cap, coalesce(d.messages, 0), coalesce(d.bytes, 0)
        FROM (SELECT * FROM gatepost.tenant t WHERE t.slug > after AND t.status <> 'deleted'
              ORDER BY t.slug LIMIT greatest(page_size, 0)) AS t
        CROSS JOIN LATERAL (
            SELECT (v_now AT TIME ZONE CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END)::date
                AS day OFFSET 0) AS z
        LEFT JOIN LATERAL (
            SELECT u.* FROM gatepost.usage u WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day'
              AND u.starts = z.day OFFSET 0) AS d ON true
        LEFT JOIN LATERAL (
            SELECT u.* FROM gatepost.usage u WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month'
              AND u.starts = date_trunc('month', z.day)::date OFFSET 0) AS m ON true
        ORDER BY t.slug;
END
$$;

ALTER FUNCTION admin.usage_tenants(text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage_tenants(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage_tenants(text, int) TO gatepost_admin, gatepost_viewer;
