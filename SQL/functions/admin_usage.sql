-- admin.usage: a tenant's counters now.
--   In     slug
--   Out    the tenant's day first, then its month, then the day of each credential that has a cap or has sent today.
--          scope: 'day' | 'month' | 'credential'. cap null: unlimited. starts: the local day or the month's first day.
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.usage(slug text) RETURNS TABLE (
    scope text, credential text, starts date, used bigint, messages bigint, bytes bigint, cap bigint,
    resets_at timestamptz, resets_text text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_tenant gatepost.tenant;
    v_day date;
    v_month date;
    v_ends record;
    v_month_ends record;
BEGIN
    SELECT t.* INTO v_tenant FROM gatepost.tenant t WHERE t.id = gatepost.tenant_id(usage.slug);
    v_day := (v_now AT TIME ZONE CASE WHEN v_tenant.next_zone_from <= v_now THEN v_tenant.next_zone
                                      ELSE v_tenant.zone END)::date;
    v_month := date_trunc('month', v_day)::date;
    SELECT e.* INTO v_ends FROM gatepost.reset(v_tenant.id, v_now, 'day') e;
    SELECT e.* INTO v_month_ends FROM gatepost.reset(v_tenant.id, v_now, 'month') e;
    RETURN QUERY
        SELECT 'day', NULL::text, v_day, coalesce(u.recipients, 0), coalesce(u.messages, 0), coalesce(u.bytes, 0),
               v_tenant.daily_cap, v_ends.resets_at, v_ends.resets_text
        FROM (VALUES (1)) AS one LEFT JOIN gatepost.usage u
            ON u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = v_day;
    RETURN QUERY
        SELECT 'month', NULL::text, v_month, coalesce(u.recipients, 0), coalesce(u.messages, 0), coalesce(u.bytes, 0),
               v_tenant.monthly_cap, v_month_ends.resets_at, v_month_ends.resets_text
        FROM (VALUES (1)) AS one LEFT JOIN gatepost.usage u
            ON u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = v_month;
    RETURN QUERY
        SELECT 'credential', c.name, v_day, coalesce(u.recipients, 0), coalesce(u.messages, 0), coalesce(u.bytes, 0),
               c.daily_cap, v_ends.resets_at, v_ends.resets_text
        FROM gatepost.credential c LEFT JOIN gatepost.usage u
            ON u.tenant_id = c.tenant_id AND u.credential_id = c.id AND u.period = 'day' AND u.starts = v_day
        WHERE c.tenant_id = v_tenant.id AND (u.recipients > 0 OR c.daily_cap IS NOT NULL AND c.revoked_at IS NULL)
        ORDER BY c.name;
END
$$;

ALTER FUNCTION admin.usage(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage(text) TO gatepost_admin;
