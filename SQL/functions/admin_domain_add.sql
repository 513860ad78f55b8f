-- admin.domain_add: a domain the tenant may send from.
--   In     os_user; slug; domain (A-label, lower case); trusted: the operator vouches for it. Otherwise it waits for its proof
--          (token goes into DNS)
--   Out    changed; token
--   Raises GP002 no such tenant; GP004 no domain
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.domain_add(os_user text, slug text, domain text, trusted boolean)
RETURNS TABLE (changed boolean, token text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.domain_add(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.domain_add(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.domain_add(text, text, text, boolean) TO gatepost_admin;
