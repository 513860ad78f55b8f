-- admin.credential_issue: a credential with its first login.
--   In     os_user; slug; name (the username, `slug.k7m2q9`, made by the caller); verifier (RFC 5803); digest (SHA-256
--          of the secret, 32 octets, or null); label, daily_cap, networks, expires_at: null for none
--   Out    ids; created: false on a repeat with the same name and verifier
--   Raises GP002 no such tenant; GP003 the name is taken by another; GP004 a value that cannot be
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_issue(
    os_user text, slug text, name text, verifier text, digest bytea,
    label text DEFAULT NULL, daily_cap bigint DEFAULT NULL, networks text[] DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL
) RETURNS TABLE (credential_id bigint, login_id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := gatepost.tenant_id(credential_issue.slug);
    v_credential bigint;
    v_login gatepost.login;
BEGIN
    IF (credential_issue.name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'
        AND starts_with(credential_issue.name, credential_issue.slug || '.')) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'a credential of % cannot be called "%"', credential_issue.slug, credential_issue.name
            USING ERRCODE = 'GP004', HINT = format('%s. and then small letters, digits, dots, hyphens.',
                credential_issue.slug);
    END IF;
    IF credential_issue.verifier LIKE 'SCRAM-SHA-256$%' IS NOT TRUE OR length(credential_issue.digest) <> 32
        OR credential_issue.daily_cap < 1 OR cardinality(credential_issue.networks) = 0
        OR length(credential_issue.label) > 200
    THEN
        RAISE EXCEPTION 'the credential''s verifier, digest, cap, networks or label cannot be' USING ERRCODE = 'GP004';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.name = credential_issue.name;
    IF FOUND THEN
        IF v_login.tenant_id <> v_id OR v_login.verifier <> credential_issue.verifier THEN
            RAISE EXCEPTION 'the name "%" is taken', credential_issue.name USING ERRCODE = 'GP003';
        END IF;
        RETURN QUERY SELECT v_login.credential_id, v_login.id, false;
        RETURN;
    END IF;
    INSERT INTO gatepost.credential AS c (tenant_id, name, label, daily_cap, networks, expires_at)
    VALUES (v_id, credential_issue.name, credential_issue.label, credential_issue.daily_cap,
            credential_issue.networks::cidr[], credential_issue.expires_at)
    RETURNING c.id INTO v_credential;
    INSERT INTO gatepost.login AS l (tenant_id, credential_id, name, verifier, digest)
    VALUES (v_id, v_credential, credential_issue.name, credential_issue.verifier, credential_issue.digest)
    RETURNING l.* INTO v_login;
    -- Nodes may remember that there was no such name.
    PERFORM gatepost.audited(os_user, v_id, 'credential issue', credential_issue.name,
        jsonb_strip_nulls(jsonb_build_object('label', credential_issue.label, 'daily_cap', credential_issue.daily_cap,
            'networks', credential_issue.networks, 'expires_at', credential_issue.expires_at)),
        'credential:' || v_credential);
    RETURN QUERY SELECT v_credential, v_login.id, true;
END
$$;

ALTER FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[],
    timestamptz)
    OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[], timestamptz)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[],
    timestamptz) TO gatepost_admin;
