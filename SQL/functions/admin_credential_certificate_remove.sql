-- admin.credential_certificate_remove: end a login by client certificate, at once.
--   In     os_user; login (`acme.k7m2q9.c1`)
--   Out    changed: false if it had ended already. The name is never used again; the certificate may be added again, to
--          any credential.
--   Raises GP002 no such login; GP004 it is no certificate's
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_certificate_remove(os_user text, login text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz;
    v_login gatepost.login;
    v_credential text;
BEGIN
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.name = credential_certificate_remove.login;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no login "%"', login USING ERRCODE = 'GP002',
            HINT = 'gatepost credential certificate list CREDENTIAL';
    END IF;
    IF v_login.certificate IS NULL THEN
        RAISE EXCEPTION 'the login "%" is a secret''s, not a certificate''s', login USING ERRCODE = 'GP004',
            HINT = format('gatepost credential rotate %s --now', login);
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_login.tenant_id]);
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.tenant_id = v_login.tenant_id AND l.id = v_login.id;
    v_now := ledger.clock();
    IF v_login.valid_until <= v_now THEN
        RETURN false;
    END IF;
    UPDATE gatepost.login l SET valid_until = v_now
    WHERE l.tenant_id = v_login.tenant_id AND l.id = v_login.id;
    v_credential := (SELECT c.name FROM gatepost.credential c
                     WHERE c.tenant_id = v_login.tenant_id AND c.id = v_login.credential_id);
    PERFORM gatepost.audited(os_user, v_login.tenant_id, 'credential certificate remove', v_credential,
                             jsonb_build_object('login', v_login.name, 'sha256', encode(v_login.certificate, 'hex')),
                             'credential:' || v_login.credential_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.credential_certificate_remove(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_certificate_remove(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_certificate_remove(text, text) TO gatepost_admin;
