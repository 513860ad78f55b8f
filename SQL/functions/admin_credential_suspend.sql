-- admin.credential_suspend: nothing more is accepted with it, until it is resumed.
--   In     os_user; name of the credential; reason or null: clients with the right secret are told. Null for one that is
--          suspended already: the reason stays.
--   Out    changed: false if it was suspended for that reason already
--   Raises GP002 no such credential; GP005 it is revoked; GP004 the reason is too long
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_suspend(os_user text, name text, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_credential gatepost.credential := gatepost.credential_named(credential_suspend.name);
BEGIN
    IF length(reason) > 500 THEN
        RAISE EXCEPTION 'the reason is longer than 500 characters' USING ERRCODE = 'GP004';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_credential.tenant_id]);
    SELECT c.* INTO v_credential FROM gatepost.credential c
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    IF v_credential.revoked_at IS NOT NULL THEN
        RAISE EXCEPTION 'the credential "%" is revoked', credential_suspend.name USING ERRCODE = 'GP005';
    END IF;
    IF v_credential.suspended_at IS NOT NULL
        AND (reason IS NULL OR v_credential.suspended_reason IS NOT DISTINCT FROM reason)
    THEN
        RETURN false;
    END IF;
    UPDATE gatepost.credential c
    SET suspended_at = coalesce(c.suspended_at, ledger.clock()), suspended_reason = credential_suspend.reason
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    PERFORM gatepost.audited(os_user, v_credential.tenant_id, 'credential suspend', credential_suspend.name,
                             jsonb_strip_nulls(jsonb_build_object('reason', credential_suspend.reason)),
                             'credential:' || v_credential.id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.credential_suspend(text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_suspend(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_suspend(text, text, text) TO gatepost_admin;
