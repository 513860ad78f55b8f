-- ledger.owner_reclaim: after a lost session or a doubt, ask which rows are still the owner's, before forwarding them.
--   Call   it on the connection that is (or becomes) the lock session.
--   In     owner; the messages in memory (parallel arrays)
--   Out    one row per recipient that is leased to the owner now: those that still were, and those free by now that
--          nobody else has taken (leased again, so under another number). What is not named with the lease that is in
--          memory is not the owner's to send.
--   Raises GP001 if the owner is not registered any more. 55P03 if its lock is still held by the session that died: try
--          again, and send nothing meanwhile.
--   Locks  the owner row first (renews it), the advisory lock, then recipients in (message, number) order.
--   Repeat harmless, and writes each time.    Role  gatepost_node
DROP FUNCTION IF EXISTS ledger.owner_reclaim(uuid, bigint[], uuid[]);
CREATE FUNCTION ledger.owner_reclaim(owner uuid, tenant_ids bigint[], message_ids uuid[])
RETURNS TABLE (tenant_id bigint, message_id uuid, number int, lease int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_now timestamptz := ledger.clock();
BEGIN
    UPDATE gatepost.owner o
    SET renewals = o.renewals + 1, renewed_at = v_now, incarnation = gatepost.incarnation()
    WHERE o.id = owner_reclaim.owner;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'owner % is not registered any more', owner_reclaim.owner USING ERRCODE = 'GP001';
    END IF;
    IF NOT gatepost.owner_lock(owner_reclaim.owner) THEN
        RAISE EXCEPTION 'the lock of owner % is still held by another session', owner_reclaim.owner
            USING ERRCODE = 'lock_not_available';
    END IF;
    -- All of them: what another owner holds now may be free by the time it is locked, and is changed below.
    PERFORM FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    -- Marked ones are not to be sent: upkeep finishes them once they are free.
    UPDATE gatepost.recipient r
    SET owner_id = CASE WHEN r.mark IS NULL THEN owner_reclaim.owner END,
        lease = CASE WHEN r.mark IS NULL THEN coalesce(r.lease, 0) + 1 ELSE r.lease END
    FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
    WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.state IN ('queued', 'deferred')
      AND (r.owner_id = owner_reclaim.owner AND r.mark IS NOT NULL
           OR r.owner_id IS NULL AND r.mark IS NULL AND r.next_attempt <= v_now);
    RETURN QUERY
        SELECT r.tenant_id, r.message_id, r.number, coalesce(r.lease, 0)
        FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
        WHERE r.owner_id = owner_reclaim.owner AND r.state IN ('queued', 'deferred');
    -- In later statements, for a message may have become a straggler meanwhile.
    PERFORM FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    UPDATE gatepost.recipient_straggler r
    SET owner_id = CASE WHEN r.mark IS NULL THEN owner_reclaim.owner END,
        lease = CASE WHEN r.mark IS NULL THEN coalesce(r.lease, 0) + 1 ELSE r.lease END
    FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
    WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.state IN ('queued', 'deferred')
      AND (r.owner_id = owner_reclaim.owner AND r.mark IS NOT NULL
           OR r.owner_id IS NULL AND r.mark IS NULL AND r.next_attempt <= v_now);
    RETURN QUERY
        SELECT r.tenant_id, r.message_id, r.number, coalesce(r.lease, 0)
        FROM unnest(owner_reclaim.tenant_ids, owner_reclaim.message_ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
        WHERE r.owner_id = owner_reclaim.owner AND r.state IN ('queued', 'deferred');
END
$$;

ALTER FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) TO gatepost_node;
