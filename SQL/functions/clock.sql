-- ledger.clock: the time. Nothing else in Gatepost's SQL asks for it.
--   Out    clock_timestamp() (never now(): a transaction may have waited), or the instant in gatepost.test_clock
--   Locks  none.    Repeat  another instant.    Role  gatepost_node, gatepost_admin,
--          gatepost_viewer
CREATE OR REPLACE FUNCTION ledger.clock() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- (In plpgsql, whose plans are kept: an SQL function would be planned again on each call.)
    RETURN coalesce((SELECT c.at FROM gatepost.test_clock c), clock_timestamp());
END
$$;

ALTER FUNCTION ledger.clock() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.clock() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.clock() TO gatepost_node, gatepost_admin, gatepost_viewer;
