-- admin.domain_remove: the tenant may no longer send from it, from the moment this returns.
--   In     os_user; slug; domain.    Out  changed: false if it was not there.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.domain_remove(os_user text, slug text, domain text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.domain_remove(text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.domain_remove(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.domain_remove(text, text, text) TO gatepost_admin;
