-- admin.domain_remove: the tenant may no longer send from it, from the moment this returns.
--   In     os_user; slug; domain.    Out  changed: false if it was not there.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.domain_remove(os_user text, slug text, domain text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    DELETE FROM gatepost.sender_domain d WHERE d.tenant_id = v_id AND d.domain = domain_remove.domain;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_id, 'domain remove', slug || ' ' || domain_remove.domain, NULL,
        'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.domain_remove(text, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.domain_remove(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.domain_remove(text, text, text) TO gatepost_admin;
