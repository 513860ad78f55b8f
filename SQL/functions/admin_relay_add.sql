-- admin.relay_add: a member of a pool. Adding one that is there changes what terms name, and makes it active again.
--   In     os_user; pool's name; host; port; terms and secret as gatepost.relay_write has them. A new one is lmtp with
--          tls mutual, or smtp with tls verify; weight 1
--   Out    its id; changed
--   Raises GP002 no such pool; GP004 a value that cannot be
--   Locks  the pool row first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.relay_add(
    os_user text, pool text, host text, port int, terms jsonb DEFAULT '{}', secret text DEFAULT NULL
) RETURNS TABLE (id bigint, changed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_pool bigint := gatepost.pool_lock(relay_add.pool);
    v_id bigint;
    v_made boolean;
    v_changed boolean;
BEGIN
    IF relay_add.host IS NULL OR relay_add.host = '' OR length(relay_add.host) > 255
        OR (relay_add.port BETWEEN 1 AND 65535) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the relay''s host or port cannot be' USING ERRCODE = 'GP004', HINT = 'Port 1 to 65535.';
    END IF;
    INSERT INTO gatepost.relay AS r (pool_id, host, port, tls)
    VALUES (v_pool, relay_add.host, relay_add.port,
            CASE WHEN relay_add.terms ->> 'protocol' = 'smtp' THEN 'verify' ELSE 'mutual' END)
    ON CONFLICT (pool_id, host, port) DO NOTHING;
    v_made := FOUND;
    SELECT r.id INTO v_id FROM gatepost.relay r
    WHERE r.pool_id = v_pool AND r.host = relay_add.host AND r.port = relay_add.port;
    v_changed := gatepost.relay_write(v_pool, relay_add.host, relay_add.port, relay_add.terms || '{"status": "active"}',
                                      relay_add.secret) OR v_made;
    IF v_changed THEN
        PERFORM gatepost.audited(relay_add.os_user, NULL, 'relay add', format('%s %s:%s', pool, host, port),
                                 relay_add.terms, 'pool');
    END IF;
    RETURN QUERY SELECT v_id, v_changed;
END
$$;

ALTER FUNCTION admin.relay_add(text, text, text, int, jsonb, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.relay_add(text, text, text, int, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.relay_add(text, text, text, int, jsonb, text) TO gatepost_admin;
