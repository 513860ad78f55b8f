-- ledger.owner_leases: what is leased to an owner, so that it can look whether it knows of all of it.
--   In     owner, at most so many recipients: those of the oldest messages
--   Out    one row per recipient
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_leases(owner uuid, most int)
RETURNS TABLE (tenant_id bigint, message_id uuid, number int, lease int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off
AS $$
    SELECT l.tenant_id, l.message_id, l.number, coalesce(l.lease, 0)
    FROM (
        SELECT r.tenant_id, r.message_id, r.number, r.lease FROM gatepost.recipient r
        WHERE r.owner_id = owner_leases.owner
        UNION ALL
        SELECT r.tenant_id, r.message_id, r.number, r.lease FROM gatepost.recipient_straggler r
        WHERE r.owner_id = owner_leases.owner
    ) AS l
    ORDER BY l.message_id, l.number LIMIT owner_leases.most
$$;

ALTER FUNCTION ledger.owner_leases(uuid, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_leases(uuid, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_leases(uuid, int) TO gatepost_node;
