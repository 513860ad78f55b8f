-- gatepost.relay_write: change what a member of a pool is.
--   In     the pool's id; host; port; terms, a JSON object of any of protocol, tls, weight, status, and, where null
--          takes the value away, connections, server_name, username; secret: with username
--   Out    changed.    Raises  GP002 no such member; GP004 a value that cannot be
--   Locks  the member; the caller holds the pool.    Repeat  harmless.    Role  none; admin.relay_* use it
CREATE OR REPLACE FUNCTION gatepost.relay_write(pool_id bigint, host text, port int, terms jsonb, secret text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_old gatepost.relay;
    v_new gatepost.relay;
    v_stranger text := (SELECT k.key FROM jsonb_object_keys(relay_write.terms) AS k (key)
                        WHERE k.key NOT IN ('protocol', 'tls', 'weight', 'status', 'connections', 'server_name',
                                            'username') LIMIT 1);
BEGIN
    IF v_stranger IS NOT NULL THEN
        RAISE EXCEPTION 'a relay has no "%"', v_stranger USING ERRCODE = 'GP004';
    END IF;
    SELECT r.* INTO v_old FROM gatepost.relay r
    WHERE r.pool_id = relay_write.pool_id AND r.host = relay_write.host AND r.port = relay_write.port FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no relay %:% in this pool', relay_write.host, relay_write.port USING ERRCODE = 'GP002',
            HINT = 'gatepost relay list';
    END IF;
    v_new := jsonb_populate_record(v_old, relay_write.terms);
    IF relay_write.terms ? 'username' THEN
        v_new.secret := CASE WHEN v_new.username IS NOT NULL THEN relay_write.secret END;
        IF v_new.username IS NOT NULL AND coalesce(v_new.secret, '') = '' THEN
            RAISE EXCEPTION 'a username for a relay needs its password' USING ERRCODE = 'GP004';
        END IF;
    END IF;
    IF (v_new.protocol IN ('lmtp', 'smtp')) IS NOT TRUE
        OR (v_new.tls IN ('none', 'opportunistic', 'require', 'verify', 'mutual')) IS NOT TRUE
        OR (v_new.weight BETWEEN 1 AND 1000) IS NOT TRUE OR (v_new.status IN ('active', 'draining')) IS NOT TRUE
        OR v_new.connections NOT BETWEEN 1 AND 1000 OR v_new.server_name = '' OR length(v_new.server_name) > 255
        OR v_new.username = '' OR length(v_new.username) > 255 OR length(v_new.secret) > 1000
    THEN
        RAISE EXCEPTION 'the relay''s terms cannot be' USING ERRCODE = 'GP004',
            HINT = 'protocol lmtp or smtp; tls none, opportunistic, require, verify or mutual; weight 1 to 1000; '
                'connections 1 to 1000.';
    END IF;
    IF v_new.username IS NOT NULL AND v_new.tls IN ('none', 'opportunistic') THEN
        RAISE EXCEPTION 'a password is not sent without certain TLS' USING ERRCODE = 'GP004',
            HINT = 'With a username, tls is require, verify or mutual.';
    END IF;
    IF v_new IS NOT DISTINCT FROM v_old THEN
        RETURN false;
    END IF;
    UPDATE gatepost.relay r
    SET protocol = v_new.protocol, tls = v_new.tls, weight = v_new.weight, status = v_new.status,
        connections = v_new.connections, server_name = v_new.server_name, username = v_new.username,
        secret = v_new.secret
    WHERE r.id = v_old.id;
    RETURN true;
END
$$;

ALTER FUNCTION gatepost.relay_write(bigint, text, int, jsonb, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.relay_write(bigint, text, int, jsonb, text) FROM PUBLIC;
