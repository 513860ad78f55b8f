-- gatepost.event_restored: events of a dump that was restored into another cluster, where transactions are counted anew,
-- stand before all that come from now on. Otherwise they would seem to be of transactions yet to come.
--   Out    how many were moved
--   Locks  the events' rows.    Repeat  0.    Role  none; `gatepost migrate` uses it, as the owner
CREATE OR REPLACE FUNCTION gatepost.event_restored() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
    v_moved bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM gatepost.event e WHERE e.xid > pg_snapshot_xmax(pg_current_snapshot())) THEN
        RETURN 0;
    END IF;
    -- (3 is the first that any transaction had. Among themselves they are in the order of their ids: time's.) Of those that
    -- are no later than this transaction some are the dump's too, and stand where they would.
    UPDATE gatepost.event e SET xid = '3' WHERE e.xid > pg_snapshot_xmax(pg_current_snapshot());
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    RETURN v_moved;
END
$$;

ALTER FUNCTION gatepost.event_restored() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.event_restored() FROM PUBLIC;
