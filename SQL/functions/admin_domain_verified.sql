-- admin.domain_verified: a sender domain was shown to be the tenant's: its token was found in DNS.
--   In     os_user; slug; domain; token that was seen
--   Out    changed: false if it was verified already
--   Raises GP002 no such tenant or domain; GP004 the token is not this domain's (any more)
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.domain_verified(os_user text, slug text, domain text, token text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := gatepost.tenant_id(domain_verified.slug);
    v_old gatepost.sender_domain;
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    SELECT d.* INTO v_old FROM gatepost.sender_domain d WHERE d.tenant_id = v_id AND d.domain = domain_verified.domain;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant "%" has no domain "%"', domain_verified.slug, domain_verified.domain
            USING ERRCODE = 'GP002', HINT = format('gatepost domain list %s', domain_verified.slug);
    ELSIF (v_old.token = domain_verified.token) IS NOT TRUE THEN
        RAISE EXCEPTION 'the token is not that of "%"', domain_verified.domain USING ERRCODE = 'GP004',
            HINT = 'It was removed and added again meanwhile: publish the new token.';
    ELSIF v_old.verified_at IS NOT NULL THEN
        RETURN false;
    END IF;
    UPDATE gatepost.sender_domain d SET verified_at = ledger.clock(), verified_by = 'dns'
    WHERE d.tenant_id = v_id AND d.domain = domain_verified.domain;
    PERFORM gatepost.audited(domain_verified.os_user, v_id, 'domain verify',
                             domain_verified.slug || ' ' || domain_verified.domain, NULL, 'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.domain_verified(text, text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.domain_verified(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.domain_verified(text, text, text, text) TO gatepost_admin;
