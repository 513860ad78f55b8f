-- admin.relay_add: a member of a pool. Adding a draining one makes it active again.
--   In     os_user; pool's name; host; port; protocol 'lmtp' | 'smtp'; tls 'mutual' | 'verify' | 'none'; weight
--   Out    its id; changed
--   Raises GP002 no such pool; GP004 a value that cannot be
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_add(
    os_user text, pool text, host text, port int, protocol text DEFAULT 'lmtp', tls text DEFAULT 'mutual',
    weight int DEFAULT 1
) RETURNS TABLE (id bigint, changed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.relay_add(text, text, text, int, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_add(text, text, text, int, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_add(text, text, text, int, text, text, int) TO gatepost_admin;
