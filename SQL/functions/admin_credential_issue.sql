-- admin.credential_issue: a credential with its first login.
--   In     os_user; slug; name (the username, `slug.k7m2q9`, made by the caller); verifier (RFC 5803); digest (SHA-256 of the
--          secret, 32 octets, or null); label, daily_cap, networks, expires_at: null for none
--   Out    ids; created: false on a repeat with the same name and verifier
--   Raises GP002 no such tenant; GP003 the name is taken by another; GP004 a value that cannot be
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_issue(
    os_user text, slug text, name text, verifier text, digest bytea,
    label text DEFAULT NULL, daily_cap bigint DEFAULT NULL, networks text[] DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL
) RETURNS TABLE (credential_id bigint, login_id bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[], timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_issue(text, text, text, text, bytea, text, bigint, text[], timestamptz) TO gatepost_admin;
