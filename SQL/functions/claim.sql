-- ledger.claim: lease due recipients to an owner, whole messages at a time.
--   In     owner (registered by ledger.owner_start), at most max_messages messages and about max_bytes of bodies (one
--          message is given however large)
--   Out    one row per message, ordered by pool; numbers, addresses, domains and attempts are parallel: the recipients
--          leased now. Due: free, queued or deferred, next_attempt reached, not marked as cancelled, and the tenant's
--          queue is not held. content is null only if the body was already dropped.
--   Raises GP001 if the owner is not registered any more: start under a new id.
--   Locks  the owner row (shared), then recipients, skipping locked ones.
--   Repeat gives the next ones.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.claim(owner uuid, max_messages int, max_bytes bigint)
RETURNS TABLE (
    tenant_id bigint, tenant text, credential text, pool_id bigint, id uuid, kind text, accepted_at timestamptz,
    size bigint, sender text, message_id_header text, client text,
    numbers int[], addresses text[], domains text[], attempts int[], content bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.claim(uuid, int, bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.claim(uuid, int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.claim(uuid, int, bigint) TO gatepost_node;
