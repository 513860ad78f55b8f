-- admin.relay_drain: give a member nothing new.
--   In     os_user; pool's name; host; port.    Out  changed.    Raises  GP002 no such pool or member
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_drain(os_user text, pool text, host text, port int) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_pool bigint := gatepost.pool_lock(pool);
    v_status text := (SELECT r.status FROM gatepost.relay r
                      WHERE r.pool_id = v_pool AND r.host = relay_drain.host AND r.port = relay_drain.port);
BEGIN
    IF v_status IS NULL THEN
        RAISE EXCEPTION 'no relay %:% in pool "%"', host, port, pool USING ERRCODE = 'GP002',
            HINT = 'gatepost relay list';
    ELSIF v_status = 'draining' THEN
        RETURN false;
    END IF;
    UPDATE gatepost.relay r SET status = 'draining'
    WHERE r.pool_id = v_pool AND r.host = relay_drain.host AND r.port = relay_drain.port;
    PERFORM gatepost.audited(os_user, NULL, 'relay drain', format('%s %s:%s', pool, host, port), NULL, 'pool');
    RETURN true;
END
$$;

ALTER FUNCTION admin.relay_drain(text, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_drain(text, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_drain(text, text, text, int) TO gatepost_admin;
