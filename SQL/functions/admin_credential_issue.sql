-- admin.credential_issue: a credential with its first login.
--   In     os_user; slug; name (the username, `slug.k7m2q9`, made by the caller); verifier (RFC 5803); digest (SHA-256
--          of the secret, 32 octets, or null); terms: an object as admin.credential_set takes
--   Out    ids; created: false on a repeat with the same name and verifier
--   Raises GP002 no such tenant; GP003 the name is taken by another; GP004 a value that cannot be
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
DROP FUNCTION IF EXISTS admin.credential_issue(text, text, text, text, bytea, text, bigint, text[], timestamptz);

CREATE OR REPLACE FUNCTION admin.credential_issue(
    os_user text, slug text, name text, verifier text, digest bytea, terms jsonb DEFAULT '{}'
) RETURNS TABLE (credential_id bigint, login_id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(credential_issue.slug);
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    RETURN QUERY SELECT * FROM gatepost.credential_make(os_user, v_id, credential_issue.slug, credential_issue.name,
        credential_issue.verifier, credential_issue.digest, terms);
END
$$;

ALTER FUNCTION admin.credential_issue(text, text, text, text, bytea, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_issue(text, text, text, text, bytea, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_issue(text, text, text, text, bytea, jsonb) TO gatepost_admin;
