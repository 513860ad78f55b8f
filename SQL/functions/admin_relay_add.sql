-- admin.relay_add: a member of a pool. Adding a draining one makes it active again.
--   In     os_user; pool's name; host; port; protocol 'lmtp' | 'smtp'; tls 'mutual' | 'verify' | 'none'; weight
--   Out    its id; changed
--   Raises GP002 no such pool; GP004 a value that cannot be
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_add(
    os_user text, pool text, host text, port int, protocol text DEFAULT 'lmtp', tls text DEFAULT 'mutual',
    weight int DEFAULT 1
) RETURNS TABLE (id bigint, changed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_pool bigint := gatepost.pool_lock(relay_add.pool);
    v_old gatepost.relay;
    v_id bigint;
BEGIN
    IF relay_add.host IS NULL OR relay_add.host = '' OR length(relay_add.host) > 255
        OR (relay_add.port BETWEEN 1 AND 65535) IS NOT TRUE
        OR (relay_add.protocol IN ('lmtp', 'smtp')) IS NOT TRUE
        OR (relay_add.tls IN ('mutual', 'verify', 'none')) IS NOT TRUE
        OR (relay_add.weight BETWEEN 1 AND 1000) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the relay''s host, port, protocol, tls or weight cannot be' USING ERRCODE = 'GP004',
            HINT = 'Port 1 to 65535; protocol lmtp or smtp; tls mutual, verify or none; weight 1 to 1000.';
    END IF;
    SELECT r.* INTO v_old FROM gatepost.relay r
    WHERE r.pool_id = v_pool AND r.host = relay_add.host AND r.port = relay_add.port;
    IF (v_old.protocol, v_old.tls, v_old.weight, v_old.status)
        IS NOT DISTINCT FROM (relay_add.protocol, relay_add.tls, relay_add.weight, 'active')
    THEN
        RETURN QUERY SELECT v_old.id, false;
        RETURN;
    END IF;
    INSERT INTO gatepost.relay AS r (pool_id, host, port, protocol, tls, weight)
    VALUES (v_pool, relay_add.host, relay_add.port, relay_add.protocol, relay_add.tls, relay_add.weight)
    ON CONFLICT (pool_id, host, port) DO UPDATE
        SET protocol = excluded.protocol, tls = excluded.tls, weight = excluded.weight, status = 'active'
    RETURNING r.id INTO v_id;
    PERFORM gatepost.audited(os_user, NULL, 'relay add', format('%s %s:%s', pool, host, port),
        jsonb_build_object('protocol', relay_add.protocol, 'tls', relay_add.tls, 'weight', relay_add.weight), 'pool');
    RETURN QUERY SELECT v_id, true;
END
$$;

ALTER FUNCTION admin.relay_add(text, text, text, int, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_add(text, text, text, int, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_add(text, text, text, int, text, text, int) TO gatepost_admin;
