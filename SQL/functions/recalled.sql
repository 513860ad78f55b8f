-- ledger.recalled: what a forwarder must give back of what it holds and has not begun, after something of a tenant changed.
--   In     owner; tenants
--   Out    for each tenant that there is: the pool its mail goes by now; held: nothing of it is to be sent; message_id, number: a row for each recipient leased to the owner that is marked as
--          cancelled, both null in the one row where there is none
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.recalled(owner uuid, tenants bigint[])
RETURNS TABLE (tenant_id bigint, pool_id bigint, held boolean, message_id uuid, number int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off
AS $$
    SELECT t.id, t.pool_id, t.hold_queue, m.message_id, m.number
    FROM gatepost.tenant t
    LEFT JOIN LATERAL (
        SELECT r.message_id, r.number FROM gatepost.recipient r
        WHERE r.tenant_id = t.id AND r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')
          AND r.owner_id = recalled.owner
        UNION ALL
        SELECT r.message_id, r.number FROM gatepost.recipient_straggler r
        WHERE r.tenant_id = t.id AND r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')
          AND r.owner_id = recalled.owner
    ) AS m ON true
    WHERE t.id = ANY (recalled.tenants)
$$;

ALTER FUNCTION ledger.recalled(uuid, bigint[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.recalled(uuid, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.recalled(uuid, bigint[]) TO gatepost_node;
