-- admin.credential_revoke: for good. When it returns, nothing more is accepted with it, not even a message under way.
--   In     os_user; name of the credential; reason or null
--   Out    changed: false if it was revoked already (the first reason and time stay)
--   Raises GP002 no such credential
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_revoke(os_user text, name text, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tenant bigint;
    v_id bigint;
BEGIN
    SELECT c.tenant_id, c.id INTO v_tenant, v_id FROM gatepost.credential c WHERE c.name = credential_revoke.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no credential "%"', credential_revoke.name USING ERRCODE = 'GP002',
            HINT = format('gatepost credential list %s', split_part(credential_revoke.name, '.', 1));
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_tenant]);
    UPDATE gatepost.credential c SET revoked_at = ledger.clock(), revoked_reason = credential_revoke.reason
    WHERE c.tenant_id = v_tenant AND c.id = v_id AND c.revoked_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_tenant, 'credential revoke', credential_revoke.name,
                             jsonb_strip_nulls(jsonb_build_object('reason', credential_revoke.reason)),
                             'credential:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.credential_revoke(text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_revoke(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_revoke(text, text, text) TO gatepost_admin;
