-- gatepost.free_rows: free what is leased to an owner.
--   In     owner, at most this many.    Out  rows freed
--   Locks  recipients in (message, number) order, skipping locked ones (their holder is about to settle or free them)
--   Repeat goes on.    Role  none; owner_free, owner_stop and upkeep_orphans use it
CREATE OR REPLACE FUNCTION gatepost.free_rows(owner uuid, at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_freed bigint;
    v_more bigint;
BEGIN
    WITH held AS MATERIALIZED (
        SELECT r.tenant_id, r.message_id, r.number FROM gatepost.recipient r WHERE r.owner_id = free_rows.owner
        ORDER BY r.message_id, r.number LIMIT at_most FOR UPDATE SKIP LOCKED
    )
    UPDATE gatepost.recipient r SET owner_id = NULL FROM held h
    WHERE r.tenant_id = h.tenant_id AND r.message_id = h.message_id AND r.number = h.number;
    GET DIAGNOSTICS v_freed = ROW_COUNT;
    WITH held AS MATERIALIZED (
        SELECT r.tenant_id, r.message_id, r.number FROM gatepost.recipient_straggler r
            WHERE r.owner_id = free_rows.owner
        ORDER BY r.message_id, r.number LIMIT at_most FOR UPDATE SKIP LOCKED
    )
    UPDATE gatepost.recipient_straggler r SET owner_id = NULL FROM held h
    WHERE r.tenant_id = h.tenant_id AND r.message_id = h.message_id AND r.number = h.number;
    GET DIAGNOSTICS v_more = ROW_COUNT;
    RETURN v_freed + v_more;
END
$$;

ALTER FUNCTION gatepost.free_rows(uuid, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.free_rows(uuid, int) FROM PUBLIC;
