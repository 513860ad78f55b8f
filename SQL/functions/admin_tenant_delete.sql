-- admin.tenant_delete: a tenant goes: nothing more is accepted of it, its credentials are revoked and their secrets
-- gone, and so are its domains and reporting logins. Its queue, its bodies and what else it leaves are purged by
-- admin.tenant_purge, in parts. The ledger, usage, events and audit stay, and the slug stays taken.
--   In     os_user; slug
--   Out    changed: false if it was deleted already; credentials revoked now
--   Raises GP002 there never was such a tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_delete(os_user text, slug text)
RETURNS TABLE (changed boolean, credentials bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := (SELECT t.id FROM gatepost.tenant t WHERE t.slug = tenant_delete.slug);
    v_changed boolean;
    v_revoked bigint;
    v_domains bigint;
BEGIN
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no tenant "%"', tenant_delete.slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    UPDATE gatepost.tenant t SET status = 'deleted', reason = NULL, plan_id = NULL, contact = NULL,
        hold_queue = true  -- until the purge is through: nothing of it is to be sent meanwhile
    WHERE t.id = v_id AND t.status <> 'deleted';
    v_changed := FOUND;
    UPDATE gatepost.credential c SET revoked_at = ledger.clock(), revoked_reason = 'tenant deleted'
    WHERE c.tenant_id = v_id AND c.revoked_at IS NULL;
    GET DIAGNOSTICS v_revoked = ROW_COUNT;
    DELETE FROM gatepost.login l WHERE l.tenant_id = v_id;
    DELETE FROM gatepost.credential_use u WHERE u.tenant_id = v_id;
    DELETE FROM gatepost.credential_rate u WHERE u.tenant_id = v_id;
    DELETE FROM gatepost.sender_domain d WHERE d.tenant_id = v_id;
    GET DIAGNOSTICS v_domains = ROW_COUNT;
    DELETE FROM gatepost.report_login l WHERE l.tenant_id = v_id;
    IF v_changed THEN
        PERFORM gatepost.audited(tenant_delete.os_user, v_id, 'tenant delete', tenant_delete.slug,
                                 jsonb_build_object('credentials_revoked', v_revoked, 'domains', v_domains),
                                 'tenant:' || v_id);
    END IF;
    RETURN QUERY SELECT v_changed, v_revoked;
END
$$;

ALTER FUNCTION admin.tenant_delete(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_delete(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_delete(text, text) TO gatepost_admin;
