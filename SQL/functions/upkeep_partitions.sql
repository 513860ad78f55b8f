-- ledger.upkeep_partitions: one step of partition upkeep: make one that will be needed within 3 days, move the stragglers
-- out of one that is to go, or drop one.
--   In     body_keep: how long bodies stay after their last recipient is final; keep: how long messages and events stay
--   Out    what was done, for the log; null: nothing left to do. Call again, each in a transaction of its own, until null.
--   Raises 55P03 when a lock was not had within 50 ms: try again later.
--   Locks  ACCESS EXCLUSIVE on one table's parent, briefly; for stragglers the meters first, then recipients.
--   Repeat goes on.    Role  gatepost_node, gatepost_admin (SECURITY DEFINER: neither has DDL)
CREATE OR REPLACE FUNCTION ledger.upkeep_partitions(
    body_keep interval DEFAULT '24 hours', keep interval DEFAULT '30 days'
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.upkeep_partitions(interval, interval) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_partitions(interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_partitions(interval, interval) TO gatepost_node, gatepost_admin;
