-- admin.usage: a tenant's counters now.
--   In     slug
--   Out    the tenant's day first, then its month, then the day of each credential that has a cap or has sent today.
--          scope: 'day' | 'month' | 'credential'. cap null: unlimited. starts: the local day or the month's first day.
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.usage(slug text) RETURNS TABLE (
    scope text, credential text, starts date, used bigint, messages bigint, bytes bigint, cap bigint,
    resets_at timestamptz, resets_text text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.usage(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage(text) TO gatepost_admin;
