-- admin.credential_resume: a suspended credential sends again.
--   In     os_user; name of the credential
--   Out    changed: false if it was not suspended
--   Raises GP002 no such credential; GP005 it is revoked
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_resume(os_user text, name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_credential gatepost.credential := gatepost.credential_named(credential_resume.name);
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_credential.tenant_id]);
    SELECT c.* INTO v_credential FROM gatepost.credential c
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    IF v_credential.revoked_at IS NOT NULL THEN
        RAISE EXCEPTION 'the credential "%" is revoked', credential_resume.name USING ERRCODE = 'GP005',
            HINT = 'A revocation is for good; gatepost credential issue.';
    END IF;
    IF v_credential.suspended_at IS NULL THEN
        RETURN false;
    END IF;
    UPDATE gatepost.credential c SET suspended_at = NULL, suspended_reason = NULL
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    PERFORM gatepost.audited(os_user, v_credential.tenant_id, 'credential resume', credential_resume.name, '{}',
                             'credential:' || v_credential.id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.credential_resume(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_resume(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_resume(text, text) TO gatepost_admin;
