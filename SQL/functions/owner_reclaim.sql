-- ledger.owner_reclaim: after a lost session or a doubt, ask which rows are still the owner's, before forwarding them.
--   Call it on the connection that is (or becomes) the lock session.
--   In     owner; the messages in memory (parallel arrays)
--   Out    one row per recipient that is leased to the owner now: those that still were, and those free by now that
--          nobody else has taken (leased again). What is not named is not the owner's to send.
--   Raises GP001 if the owner is not registered any more. 55P03 if its lock is still held by the session that died:
--          try again, and send nothing meanwhile.
--   Locks  the owner row first (renews it), the advisory lock, then recipients in (message, number) order.
--   Repeat harmless, and writes each time.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_reclaim(owner uuid, tenant_ids bigint[], message_ids uuid[])
RETURNS TABLE (tenant_id bigint, message_id uuid, number int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_reclaim(uuid, bigint[], uuid[]) TO gatepost_node;
