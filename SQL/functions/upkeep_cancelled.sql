-- ledger.upkeep_cancelled: finish and refund recipients that were marked by cancel while under way and are free now.
--   In     at most this many.    Out  recipients cancelled; call again while it is not 0
--   Locks  the meters in tenant order first, then recipients in (message, number) order.
--   Repeat harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_cancelled(at_most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.upkeep_cancelled(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_cancelled(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_cancelled(int) TO gatepost_node, gatepost_admin;
