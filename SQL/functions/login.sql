-- ledger.login: everything AUTH and a session need to know about a login name, in one row.
--   In     name, canonical (lower case)
--   Out    no row: unknown. Statuses are as stored: it is the caller who answers 525 or 535.
--          limit_name, remaining, cap, used, resets_at, resets_text: the cap with the least left at `clock`, all null
--          if every cap is unlimited (a hint for RCPT; accept decides). sender_domains: the verified ones.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.login(name text) RETURNS TABLE (
    login_id bigint, credential_id bigint, tenant_id bigint, tenant text, credential text, pool_id bigint,
    verifier text, digest bytea, login_valid_until timestamptz,
    tenant_status text, tenant_reason text,
    credential_revoked_at timestamptz, credential_revoked_reason text, credential_expires_at timestamptz,
    networks text[], message_size bigint, recipients_per_message int, sessions int,
    policy text, partial boolean, null_sender boolean, resubmission boolean, sender_domains text[],
    limit_name text, remaining bigint, cap bigint, used bigint, resets_at timestamptz, resets_text text,
    clock timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.login(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.login(text) TO gatepost_node;
