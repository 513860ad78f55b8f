-- admin.pool_create: a relay pool.
--   In     os_user; name.    Out  id; created: false if it was there.    Raises  GP004 a name that cannot be
--   Locks  the pool row.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.pool_create(os_user text, name text) RETURNS TABLE (id bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.pool_create(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.pool_create(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.pool_create(text, text) TO gatepost_admin;
