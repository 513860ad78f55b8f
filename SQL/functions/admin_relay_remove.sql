-- admin.relay_remove: a member leaves its pool.
--   In     os_user; pool's name; host; port.    Out  changed: false if it was not there.    Raises  GP002 no such pool
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_remove(os_user text, pool text, host text, port int) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_pool bigint := gatepost.pool_lock(pool);
BEGIN
    DELETE FROM gatepost.relay r WHERE r.pool_id = v_pool AND r.host = relay_remove.host AND r.port = relay_remove.port;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, NULL, 'relay remove', format('%s %s:%s', pool, host, port), NULL, 'pool');
    RETURN true;
END
$$;

ALTER FUNCTION admin.relay_remove(text, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_remove(text, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_remove(text, text, text, int) TO gatepost_admin;
