-- admin.relay_set: change a member of a pool; what terms do not name stays.
--   In     os_user; pool's name; host; port; terms and secret as gatepost.relay_write has them
--   Out    changed.    Raises  GP002 no such pool or member; GP004 a value that cannot be
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_set(os_user text, pool text, host text, port int, terms jsonb,
    secret text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_pool bigint := gatepost.pool_lock(pool);
BEGIN
    IF NOT gatepost.relay_write(v_pool, host, port, terms, secret) THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, NULL, 'relay set', format('%s %s:%s', pool, host, port), terms, 'pool');
    RETURN true;
END
$$;

ALTER FUNCTION admin.relay_set(text, text, text, int, jsonb, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_set(text, text, text, int, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_set(text, text, text, int, jsonb, text) TO gatepost_admin;
