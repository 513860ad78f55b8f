-- admin.relay_drain: give a member nothing new.
--   In     os_user; pool's name; host; port.    Out  changed.    Raises  GP002 no such pool or member
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_drain(os_user text, pool text, host text, port int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.relay_drain(text, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_drain(text, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_drain(text, text, text, int) TO gatepost_admin;
