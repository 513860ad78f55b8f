-- ledger.upkeep_orphans: free rows that are leased to owners who are not registered.
--   In     at most this many.    Out  rows freed; call again while it is not 0
--   Locks  recipients in (message, number) order, skipping locked ones.    Repeat  harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_orphans(at_most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.upkeep_orphans(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_orphans(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_orphans(int) TO gatepost_node, gatepost_admin;
