-- ledger.owner_stop: a lease holder ends in good order: its rows are free at once.
--   In     owner.    Out  rows freed.    Locks  the owner row, then recipients in (message, number) order.
--   Repeat harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_stop(owner uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.owner_stop(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_stop(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_stop(uuid) TO gatepost_node;
