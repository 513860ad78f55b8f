-- gatepost.tenant_id: the id behind a slug; it never changes, so it may be read before the lock.
--   Raises GP002 no such tenant.    Locks  none.    Role  none; admin.* use it
CREATE OR REPLACE FUNCTION gatepost.tenant_id(slug text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint;
    v_status text;
BEGIN
    SELECT t.id, t.status INTO v_id, v_status FROM gatepost.tenant t WHERE t.slug = tenant_id.slug;
    IF v_status = 'deleted' THEN
        RAISE EXCEPTION 'the tenant "%" is deleted', slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant show';
    ELSIF v_id IS NULL THEN
        RAISE EXCEPTION 'no tenant "%"', slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    END IF;
    RETURN v_id;
END
$$;

ALTER FUNCTION gatepost.tenant_id(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.tenant_id(text) FROM PUBLIC;
