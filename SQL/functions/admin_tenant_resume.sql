-- admin.tenant_resume: undo admin.tenant_suspend.
--   In     os_user; slug.    Out  changed.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_resume(os_user text, slug text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.tenant_resume(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_resume(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_resume(text, text) TO gatepost_admin;
