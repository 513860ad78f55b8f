-- admin.tenant_suspend: no more mail from this tenant. When it returns, none is accepted, not even one under way.
--   In     os_user; slug; reason (shown to clients, may be null); hold: leave its queue alone too
--   Out    changed.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.tenant_suspend(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_suspend(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_suspend(text, text, text, boolean) TO gatepost_admin;
