-- admin.usage: a tenant's counters now, a row for each limit in force and for what is counted anyway.
--   In     slug
--   Out    the tenant's day first, then its month, its other limits, then those of each credential that has a limit or
--          has sent today. scope: 'day' | 'month' | 'limit' | 'credential' (its day) | 'credential_limit' | 'test'.
--          limit_name as verdicts name it; used and cap are of that limit (recipients, bytes; of a rate what is still to
--          drain, and the burst). cap null: unlimited. starts: the local day or the month's first day. With a rolling
--          window the day's `used` is what its 25 hour buckets hold, and resets_at when one more recipient fits.
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
DROP FUNCTION IF EXISTS admin.usage(text);
CREATE OR REPLACE FUNCTION admin.usage(slug text) RETURNS TABLE (
    scope text, limit_name text, credential text, starts date, used bigint, messages bigint, bytes bigint, cap bigint,
    resets_at timestamptz, resets_text text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_tenant gatepost.tenant;
    v_zone text;
    v_day date;
    v_month date;
    v_ends record;
    v_month_ends record;
    v_rolling record;
    v_rolling_text text;
    v_day_row gatepost.usage;
    v_month_row gatepost.usage;
    v_debt bigint;
BEGIN
    SELECT t.* INTO v_tenant FROM gatepost.tenant t WHERE t.id = gatepost.tenant_id(usage.slug);
    v_zone := CASE WHEN v_tenant.next_zone_from <= v_now THEN v_tenant.next_zone ELSE v_tenant.zone END;
    v_day := (v_now AT TIME ZONE v_zone)::date;
    v_month := date_trunc('month', v_day)::date;
    SELECT e.* INTO v_ends FROM gatepost.reset(v_tenant.id, v_now, 'day') e;
    SELECT e.* INTO v_month_ends FROM gatepost.reset(v_tenant.id, v_now, 'month') e;
    SELECT u.* INTO v_day_row FROM gatepost.usage u
    WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = v_day;
    SELECT u.* INTO v_month_row FROM gatepost.usage u
    WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = v_month;

    IF v_tenant.daily_window = 'rolling' THEN
        SELECT e.used, e.resets_at INTO v_rolling FROM gatepost.rolling(v_tenant.id, v_now, v_tenant.daily_cap, 1) e;
        IF v_tenant.daily_cap IS NOT NULL AND v_rolling.used >= v_tenant.daily_cap THEN
            v_rolling_text := gatepost.instant_text(v_rolling.resets_at, v_zone);
        ELSE
            v_rolling.resets_at := NULL;
        END IF;
        RETURN QUERY SELECT 'day', 'daily', NULL::text, v_day, v_rolling.used, coalesce(v_day_row.messages, 0),
            coalesce(v_day_row.bytes, 0), v_tenant.daily_cap, v_rolling.resets_at, v_rolling_text;
    ELSE
        RETURN QUERY SELECT 'day', 'daily', NULL::text, v_day, coalesce(v_day_row.recipients, 0),
            coalesce(v_day_row.messages, 0), coalesce(v_day_row.bytes, 0), v_tenant.daily_cap, v_ends.resets_at,
            v_ends.resets_text;
    END IF;
    RETURN QUERY SELECT 'month', 'monthly', NULL::text, v_month, coalesce(v_month_row.recipients, 0),
        coalesce(v_month_row.messages, 0), coalesce(v_month_row.bytes, 0), v_tenant.monthly_cap,
        v_month_ends.resets_at, v_month_ends.resets_text;
    IF v_tenant.rate IS NOT NULL THEN
        SELECT ceil(greatest(0, m.debt - v_tenant.rate
                   * greatest(0, extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 day')) * 1000000))
                   / 60000000.0)::bigint
        INTO v_debt FROM gatepost.meter m WHERE m.tenant_id = v_tenant.id;
        RETURN QUERY SELECT 'limit', 'rate', NULL::text, v_day, coalesce(v_debt, 0), NULL::bigint, NULL::bigint,
            v_tenant.burst, NULL::timestamptz, NULL::text;
    END IF;
    IF v_tenant.bytes_daily_cap IS NOT NULL THEN
        RETURN QUERY SELECT 'limit', 'bytes_daily', NULL::text, v_day, coalesce(v_day_row.bytes, 0), NULL::bigint,
            NULL::bigint, v_tenant.bytes_daily_cap, v_ends.resets_at, v_ends.resets_text;
    END IF;
    IF v_tenant.first_time_daily_cap IS NOT NULL THEN
        RETURN QUERY SELECT 'limit', 'first_time_daily', NULL::text, v_day, coalesce(v_day_row.first_time, 0),
            NULL::bigint, NULL::bigint, v_tenant.first_time_daily_cap, v_ends.resets_at, v_ends.resets_text;
    END IF;
    RETURN QUERY
        SELECT 'test', NULL::text, NULL::text, v_day, u.recipients, u.messages, u.bytes, v_tenant.daily_cap, v_ends.resets_at,
               v_ends.resets_text
        FROM gatepost.usage u
        WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'test' AND u.starts = v_day;
    RETURN QUERY
        SELECT x.scope, x.limit_name, c.name, x.starts, x.used, x.messages, x.bytes, x.cap, x.resets_at, x.resets_text
        FROM gatepost.credential c
        LEFT JOIN LATERAL (
            SELECT u.* FROM gatepost.usage u
            WHERE u.tenant_id = c.tenant_id AND u.credential_id = c.id AND u.starts = v_day
              AND u.period = CASE c.mode WHEN 'test' THEN 'test' ELSE 'day' END OFFSET 0) AS u ON true
        CROSS JOIN LATERAL (
            SELECT 1 AS place, 'credential' AS scope, 'credential_daily' AS limit_name, v_day AS starts,
                   coalesce(u.recipients, 0) AS used, coalesce(u.messages, 0) AS messages,
                   coalesce(u.bytes, 0) AS bytes, c.daily_cap AS cap, v_ends.resets_at, v_ends.resets_text
            WHERE u.messages > 0 OR c.daily_cap IS NOT NULL
            UNION ALL
            SELECT 2, 'credential_limit', 'credential_monthly', v_month,
                   (SELECT coalesce(sum(d.recipients), 0)::bigint FROM gatepost.usage d
                    WHERE d.tenant_id = c.tenant_id AND d.credential_id = c.id
                      AND d.period = CASE c.mode WHEN 'test' THEN 'test' ELSE 'day' END AND d.starts >= v_month AND d.starts < v_month + interval '1 month'),
                   NULL, NULL, c.monthly_cap, v_month_ends.resets_at, v_month_ends.resets_text
            WHERE c.monthly_cap IS NOT NULL
            UNION ALL
            SELECT 3, 'credential_limit', 'credential_bytes_daily', v_day, coalesce(u.bytes, 0), NULL, NULL,
                   c.bytes_daily_cap, v_ends.resets_at, v_ends.resets_text
            WHERE c.bytes_daily_cap IS NOT NULL
        ) AS x
        WHERE c.tenant_id = v_tenant.id AND (c.revoked_at IS NULL OR u.messages > 0)
        ORDER BY c.name, x.place;
END
$$;

ALTER FUNCTION admin.usage(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage(text) TO gatepost_admin, gatepost_viewer;
