-- admin.credential_revoke: for good. When it returns, nothing more is accepted with it, not even a message under way.
--   In     os_user; name of the credential; reason or null
--   Out    changed: false if it was revoked already (the first reason and time stay)
--   Raises GP002 no such credential
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_revoke(os_user text, name text, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.credential_revoke(text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_revoke(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_revoke(text, text, text) TO gatepost_admin;
