-- gatepost.clock: the time, for functions that run as the owner already: what it costs to become somebody else is most of
-- what ledger.clock costs, and accept asks twice.
--   Out    clock_timestamp() (never now(): a transaction may have waited), or the instant in gatepost.test_clock
--   Locks  none.    Repeat  another instant.    Role  none; ledger.clock and accept use it
CREATE OR REPLACE FUNCTION gatepost.clock() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- (In plpgsql, whose plans are kept: an SQL function would be planned again on each call.)
    RETURN coalesce((SELECT c.at FROM gatepost.test_clock c), pg_catalog.clock_timestamp());
END
$$;

ALTER FUNCTION gatepost.clock() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.clock() FROM PUBLIC;
