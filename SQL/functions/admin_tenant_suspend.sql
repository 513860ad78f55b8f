-- admin.tenant_suspend: no more mail from this tenant. When it returns, none is accepted, not even one under way.
--   In     os_user; slug; reason (shown to clients); hold: leave its queue alone too. Of a tenant that is suspended already
--          what is null stays as it is.
--   Out    changed.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
    v_reason text;
    v_hold boolean;
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    SELECT coalesce(tenant_suspend.reason, CASE WHEN t.status = 'suspended' THEN t.reason END),
           coalesce(hold, t.status = 'suspended' AND t.hold_queue)
    INTO v_reason, v_hold FROM gatepost.tenant t WHERE t.id = v_id;
    UPDATE gatepost.tenant t
    SET status = 'suspended', reason = v_reason, hold_queue = v_hold
    WHERE t.id = v_id AND (t.status, t.reason, t.hold_queue) IS DISTINCT FROM ('suspended', v_reason, v_hold);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_id, 'tenant suspend', slug,
                             jsonb_build_object('reason', v_reason, 'hold_queue', v_hold),
                             'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_suspend(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_suspend(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_suspend(text, text, text, boolean) TO gatepost_admin;
