-- admin.credential_rotate: another secret under a login name of its own; those before it end after a time of grace.
--   In     os_user; name of the credential; verifier (RFC 5803); digest (SHA-256 of the secret, 32 octets, or null);
--          grace: how long the older secrets go on, by this database's clock
--   Out    the new login's name (`acme.k7m2q9.2`); when the grace ends; created: false on a repeat with the same
--          verifier; older, older_ends: the secrets that were valid still, and when each ends now. Client certificates
--          are no secrets and stay.
--   Raises GP002 no such credential; GP005 it is revoked or has expired; GP004 a value that cannot be
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
DROP FUNCTION IF EXISTS admin.credential_rotate(text, text, text, bytea, interval);

CREATE OR REPLACE FUNCTION admin.credential_rotate(os_user text, name text, verifier text, digest bytea, grace interval)
RETURNS TABLE (login text, ends_at timestamptz, created boolean, older text[], older_ends timestamptz[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_credential gatepost.credential := gatepost.credential_named(credential_rotate.name);
    v_login gatepost.login;
    v_name text;
    v_ends timestamptz;
    v_created boolean;
BEGIN
    IF credential_rotate.verifier LIKE 'SCRAM-SHA-256$%' IS NOT TRUE OR length(credential_rotate.digest) <> 32
        OR (credential_rotate.grace BETWEEN interval '0' AND interval '366 days') IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the verifier, digest or grace cannot be' USING ERRCODE = 'GP004',
            HINT = 'The grace is at most 366 days.';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_credential.tenant_id]);
    v_now := ledger.clock();
    SELECT c.* INTO v_credential FROM gatepost.credential c
    WHERE c.tenant_id = v_credential.tenant_id AND c.id = v_credential.id;
    SELECT l.* INTO v_login FROM gatepost.login l
    WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id
      AND l.verifier = credential_rotate.verifier;
    v_created := NOT FOUND;
    IF v_created THEN
        IF v_credential.revoked_at IS NOT NULL OR v_credential.expires_at <= v_now THEN
            RAISE EXCEPTION 'the credential "%" is revoked or has expired', credential_rotate.name
                USING ERRCODE = 'GP005',
                HINT = format('gatepost credential issue %s', split_part(credential_rotate.name, '.', 1));
        END IF;
        v_ends := v_now + credential_rotate.grace;
        -- Numbers are never used again, so that a name in a log means one secret. (c1, c2, … are certificates.)
        SELECT format('%s.%s', v_credential.name, max(CASE
                   WHEN l.name = v_credential.name THEN 1
                   WHEN substr(l.name, length(v_credential.name) + 2) ~ '^[0-9]{1,9}$'
                       THEN substr(l.name, length(v_credential.name) + 2)::int END) + 1)
        INTO v_name FROM gatepost.login l
        WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id;
        IF length(v_name) > 64 OR EXISTS (SELECT FROM gatepost.login l WHERE l.name = v_name) THEN
            RAISE EXCEPTION 'the name "%" cannot be used', v_name USING ERRCODE = 'GP003';
        END IF;
        UPDATE gatepost.login l SET valid_until = v_ends
        WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id AND l.verifier IS NOT NULL
          AND (l.valid_until <= v_ends) IS NOT TRUE;
        INSERT INTO gatepost.login AS l (tenant_id, credential_id, name, verifier, digest)
        VALUES (v_credential.tenant_id, v_credential.id, v_name, credential_rotate.verifier, credential_rotate.digest)
        RETURNING l.* INTO v_login;
        PERFORM gatepost.audited(credential_rotate.os_user, v_credential.tenant_id, 'credential rotate',
                                 v_credential.name, jsonb_build_object('login', v_name, 'older_end', v_ends),
                                 'credential:' || v_credential.id);
    END IF;
    RETURN QUERY
    SELECT v_login.name, coalesce(v_ends, max(l.valid_until)), v_created,
           coalesce(array_agg(l.name ORDER BY l.id)
                    FILTER (WHERE l.valid_until > v_now OR l.valid_until = v_ends), '{}'),
           coalesce(array_agg(l.valid_until ORDER BY l.id)
                    FILTER (WHERE l.valid_until > v_now OR l.valid_until = v_ends), '{}')
    FROM gatepost.login l
    WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id AND l.id < v_login.id
      AND l.verifier IS NOT NULL;
END
$$;

ALTER FUNCTION admin.credential_rotate(text, text, text, bytea, interval) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_rotate(text, text, text, bytea, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_rotate(text, text, text, bytea, interval) TO gatepost_admin;
