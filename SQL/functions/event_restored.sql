-- gatepost.event_restored: events of a dump that was restored into another cluster, where transactions are counted anew,
-- stand before all that come from now on. Otherwise they would seem to be of transactions yet to come.
--   In     most: rows at a time; last: the newest of these events, as the call before gave it, null: the first call
--   Out    last; moved: how many were moved now, 0: all are
--   Locks  the events' rows.    Repeat  goes on.    Role  none; `gatepost migrate` uses it, as the owner
CREATE OR REPLACE FUNCTION gatepost.event_restored(most int, INOUT last uuid, OUT moved bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    moved := 0;
    IF last IS NULL THEN
        SELECT e.id INTO last FROM gatepost.event e WHERE e.xid > pg_snapshot_xmax(pg_current_snapshot())
        ORDER BY e.id DESC LIMIT 1;
        IF last IS NULL THEN
            RETURN;
        END IF;
    END IF;
    -- All that are no newer, whatever transaction they are of: within a day transactions must rise as times do, or looking
    -- for a time misses. (3 is the first that any transaction had; among themselves they are in the order of their ids.
    -- Those that seem yet to come go last: whoever is interrupted finds them again.)
    UPDATE gatepost.event e SET xid = '3'
    FROM (
        SELECT e.tenant_id, e.id FROM gatepost.event e WHERE e.xid > '3' AND e.id <= event_restored.last
        ORDER BY e.xid, e.id LIMIT most
    ) AS n
    WHERE e.tenant_id = n.tenant_id AND e.id = n.id;
    GET DIAGNOSTICS moved = ROW_COUNT;
END
$$;

ALTER FUNCTION gatepost.event_restored(int, uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.event_restored(int, uuid) FROM PUBLIC;
