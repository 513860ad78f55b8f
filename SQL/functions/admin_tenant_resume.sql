-- admin.tenant_resume: undo admin.tenant_suspend.
--   In     os_user; slug.    Out  changed.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_resume(os_user text, slug text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    UPDATE gatepost.tenant t SET status = 'active', reason = NULL, hold_queue = false
    WHERE t.id = v_id AND t.status = 'suspended';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_id, 'tenant resume', slug, NULL, 'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_resume(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_resume(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_resume(text, text) TO gatepost_admin;
