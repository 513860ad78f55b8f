-- admin.credential_certificate_add: a client certificate as a login of a credential, by TLS and SASL EXTERNAL.
--   In     os_user; name of the credential; certificate (SHA-256 of its DER, 32 octets); ends_at: its notAfter or before
--   Out    the login's name (`acme.k7m2q9.c1`); created: false if the credential has that certificate already
--   Raises GP002 no such credential; GP003 the certificate is another credential's; GP005 the credential is revoked or
--          has expired, or a value that cannot be. (A login that has ended lets go of its certificate: it is left a
--          digest that no certificate has; the audit has the true one.)
--   Locks  the meter first, in tenant order.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_certificate_add(
    os_user text, name text, certificate bytea, ends_at timestamptz
) RETURNS TABLE (login text, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_credential gatepost.credential := gatepost.credential_named(credential_certificate_add.name);
    v_login gatepost.login;
    v_name text;
BEGIN
    IF (length(credential_certificate_add.certificate) = 32) IS NOT TRUE OR ends_at IS NULL THEN
        RAISE EXCEPTION 'the certificate''s digest or end cannot be' USING ERRCODE = 'GP004';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY(
        SELECT l.tenant_id FROM gatepost.login l WHERE l.certificate = credential_certificate_add.certificate
        UNION SELECT v_credential.tenant_id));
    v_now := ledger.clock();
    SELECT c.* INTO v_credential FROM gatepost.credential c
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.certificate = credential_certificate_add.certificate;
    IF v_login.valid_until <= v_now THEN
        UPDATE gatepost.login l
        SET certificate = sha256(v_login.certificate || convert_to(' ended ' || v_login.id, 'UTF8'))
        WHERE l.tenant_id = v_login.tenant_id AND l.id = v_login.id;
    ELSIF v_login.id IS NOT NULL THEN
        IF v_login.tenant_id <> v_credential.tenant_id OR v_login.credential_id <> v_credential.id THEN
            RAISE EXCEPTION 'the certificate is the login "%" already', v_login.name USING ERRCODE = 'GP003',
                HINT = format('gatepost credential certificate remove %s', v_login.name);
        END IF;
        RETURN QUERY SELECT v_login.name, false;
        RETURN;
    END IF;
    IF v_credential.revoked_at IS NOT NULL OR v_credential.expires_at <= v_now THEN
        RAISE EXCEPTION 'the credential "%" is revoked or has expired', v_credential.name USING ERRCODE = 'GP005',
            HINT = format('gatepost credential issue %s', split_part(v_credential.name, '.', 1));
    END IF;
    IF ends_at <= v_now THEN
        RAISE EXCEPTION 'the certificate has expired' USING ERRCODE = 'GP004';
    END IF;
    SELECT format('%s.c%s', v_credential.name, coalesce(max(substr(l.name, length(v_credential.name) + 3)::int)
               FILTER (WHERE substr(l.name, length(v_credential.name) + 2) ~ '^c[0-9]{1,9}$'), 0) + 1)
    INTO v_name FROM gatepost.login l
    WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id;
    IF length(v_name) > 64 OR EXISTS (SELECT FROM gatepost.login l WHERE l.name = v_name) THEN
        RAISE EXCEPTION 'the name "%" cannot be used', v_name USING ERRCODE = 'GP003';
    END IF;
    INSERT INTO gatepost.login (tenant_id, credential_id, name, certificate, valid_until)
    VALUES (v_credential.tenant_id, v_credential.id, v_name, credential_certificate_add.certificate,
            credential_certificate_add.ends_at);
    PERFORM gatepost.audited(credential_certificate_add.os_user, v_credential.tenant_id, 'credential certificate add',
                             v_credential.name, jsonb_build_object('login', v_name, 'valid_until', ends_at,
                                 'sha256', encode(credential_certificate_add.certificate, 'hex')),
                             'credential:' || v_credential.id);
    RETURN QUERY SELECT v_name, true;
END
$$;

ALTER FUNCTION admin.credential_certificate_add(text, text, bytea, timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_certificate_add(text, text, bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_certificate_add(text, text, bytea, timestamptz) TO gatepost_admin;
