-- admin.tenant_suspend: no more mail from this tenant. When it returns, none is accepted, not even one under way.
--   In     os_user; slug; reason (shown to clients, may be null); hold: leave its queue alone too
--   Out    changed.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    UPDATE gatepost.tenant t
    SET status = 'suspended', reason = tenant_suspend.reason, hold_queue = coalesce(hold, false)
    WHERE t.id = v_id AND (t.status, t.reason, t.hold_queue)
        IS DISTINCT FROM ('suspended', tenant_suspend.reason, coalesce(hold, false));
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_id, 'tenant suspend', slug,
                             jsonb_build_object('reason', tenant_suspend.reason, 'hold_queue', coalesce(hold, false)),
                             'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_suspend(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_suspend(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_suspend(text, text, text, boolean) TO gatepost_admin;
