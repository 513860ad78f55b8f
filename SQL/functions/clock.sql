-- ledger.clock: the time. Nothing else in Gatepost's SQL asks for it.
--   Out    gatepost.clock's
--   Locks  none.    Repeat  another instant.    Role  gatepost_node, gatepost_admin,
--          gatepost_viewer
CREATE OR REPLACE FUNCTION ledger.clock() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN gatepost.clock();
END
$$;

ALTER FUNCTION ledger.clock() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.clock() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.clock() TO gatepost_node, gatepost_admin, gatepost_viewer;
