-- ledger.upkeep_expired: delete what has had its time: batch rows after a day, resubmission keys after 10 minutes, hour
-- buckets after two days.
--   In     at most this many of each.    Out  rows deleted; call again while it is not 0
--   Locks  the rows it deletes, skipping locked ones.    Repeat  harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_expired(at_most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.upkeep_expired(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_expired(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_expired(int) TO gatepost_node, gatepost_admin;
