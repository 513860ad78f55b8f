-- ledger.pools: the relay pools and their members.
--   Out    one row per member, by pool and id; a pool without members has one row with member_id null. connections:
--          null is the node's setting. username, secret: for AUTH as a client, or null
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.pools() RETURNS TABLE (
    pool_id bigint, pool text, member_id bigint, host text, port int, protocol text, tls text, weight int, status text,
    connections int, server_name text, username text, secret text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.id, p.name, r.id, r.host, r.port, r.protocol, r.tls, r.weight, r.status,
           r.connections, coalesce(r.server_name, r.host), r.username, r.secret
    FROM gatepost.relay_pool p LEFT JOIN gatepost.relay r ON r.pool_id = p.id
    ORDER BY p.id, r.id
$$;

ALTER FUNCTION ledger.pools() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.pools() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.pools() TO gatepost_node;
