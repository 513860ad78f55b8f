-- ledger.settle: record what became of recipients, many at a time.
--   In     owner; parallel arrays, one element per recipient, any order, none twice: tenant_ids, message_ids, numbers;
--          states 'delivered' | 'bounced' | 'deferred' | 'released' (given back untried, its attempts not counted);
--          reply_codes, reply_enhanceds ('4.7.1'), replies (the remote's text, raw), next_attempts: read for 'deferred'
--          and 'released' (null: at once)
--   Out    one row per element, in order: 'settled', or 'lease_lost' if the lease is not the owner's (any more)
--   Locks  recipient rows in (message, number) order, then outcome_hour in tenant order; never the meter.
--   Repeat harmless ('lease_lost'), and writes each time.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.settle(
    owner uuid, tenant_ids bigint[], message_ids uuid[], numbers int[], states text[],
    reply_codes int[], reply_enhanceds text[], replies bytea[], next_attempts timestamptz[]
) RETURNS TABLE (message_id uuid, number int, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[], timestamptz[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[], timestamptz[]) TO gatepost_node;
