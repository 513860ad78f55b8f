-- admin.credential_check: which of a credential's logins a secret opens, and what would stand in its way now. The
-- verifiers stay here: what goes out is what anybody sees who tries to log in, and yes or no.
--   In     name of a credential or of one login of it; digest: SHA-256 of the secret; logins, stored_keys: parallel, the
--          StoredKey (RFC 5802) derived from the secret with that login's salt and iterations, for logins without a
--          digest; ip or null
--   Out    a row for each login with a secret, oldest first, only the one where one is named: matches; iterations and
--          salt (Base64) where the login has no digest and needs a StoredKey; obstacles: why it could not send now, none:
--          it could. tenant_suspended, tenant_deleted, credential_revoked, credential_suspended, credential_expired,
--          credential_not_yet, login_expired, network, mechanism (only certificates may log in)
--   Raises GP002 no such credential.    Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_check(name text, digest bytea, logins text[], stored_keys bytea[], ip text)
RETURNS TABLE (login text, matches boolean, iterations int, salt text, obstacles text[], mechanisms text[], mode text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_credential gatepost.credential;
BEGIN
    SELECT c.* INTO v_credential FROM gatepost.login l
    JOIN gatepost.credential c ON c.tenant_id = l.tenant_id AND c.id = l.credential_id
    WHERE l.name = credential_check.name;
    IF NOT FOUND THEN
        v_credential := gatepost.credential_named(credential_check.name);
    END IF;
    -- Hashes of hashes are compared: how long that takes tells nothing about what is stored.
    RETURN QUERY
    SELECT l.name,
           CASE WHEN l.digest IS NOT NULL THEN sha256(l.digest) = sha256(credential_check.digest)
                ELSE coalesce(sha256(decode(split_part(split_part(l.verifier, '$', 3), ':', 1), 'base64')) = (
                         SELECT sha256(k.stored_key) FROM unnest(credential_check.logins, credential_check.stored_keys)
                             AS k (login, stored_key) WHERE k.login = l.name), false) END,
           CASE WHEN l.digest IS NULL THEN split_part(split_part(l.verifier, '$', 2), ':', 1)::int END,
           CASE WHEN l.digest IS NULL THEN split_part(split_part(l.verifier, '$', 2), ':', 2) END,
           array_remove(ARRAY[
               CASE t.status WHEN 'suspended' THEN 'tenant_suspended' WHEN 'deleted' THEN 'tenant_deleted' END,
               CASE WHEN v_credential.revoked_at IS NOT NULL THEN 'credential_revoked' END,
               CASE WHEN v_credential.suspended_at IS NOT NULL THEN 'credential_suspended' END,
               CASE WHEN v_credential.expires_at <= v_now THEN 'credential_expired' END,
               CASE WHEN v_credential.not_before > v_now THEN 'credential_not_yet' END,
               CASE WHEN l.valid_until <= v_now THEN 'login_expired' END,
               CASE WHEN v_credential.networks IS NOT NULL AND ip IS NOT NULL
                         AND NOT EXISTS (SELECT FROM unnest(v_credential.networks) n WHERE ip::inet <<= n)
                    THEN 'network' END,
               CASE WHEN v_credential.mechanisms <@ '{EXTERNAL}' THEN 'mechanism' END], NULL),
           v_credential.mechanisms, v_credential.mode
    FROM gatepost.login l JOIN gatepost.tenant t ON t.id = l.tenant_id
    WHERE l.tenant_id = v_credential.tenant_id AND l.credential_id = v_credential.id AND l.verifier IS NOT NULL
      AND credential_check.name IN (v_credential.name, l.name)
    ORDER BY l.id;
END
$$;

ALTER FUNCTION admin.credential_check(text, bytea, text[], bytea[], text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_check(text, bytea, text[], bytea[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_check(text, bytea, text[], bytea[], text) TO gatepost_admin;
