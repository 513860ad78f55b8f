-- ledger.owner_stop: a lease holder ends in good order: its rows are free at once.
--   In     owner.    Out  rows freed.    Locks  the owner row, then recipients in (message, number) order.
--   Repeat harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_stop(owner uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_object int;
BEGIN
    DELETE FROM gatepost.owner o WHERE o.id = owner_stop.owner RETURNING o.lock_object INTO v_object;
    IF gatepost.owner_locked(v_object, pg_backend_pid()) THEN
        PERFORM pg_advisory_unlock(1196445524, v_object);
    END IF;
    RETURN gatepost.free_rows(owner_stop.owner, 100000);
END
$$;

ALTER FUNCTION ledger.owner_stop(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_stop(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_stop(uuid) TO gatepost_node;
