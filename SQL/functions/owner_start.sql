-- ledger.owner_start: register a lease holder. Call it on the connection that will stay open as its lock session.
--   In     owner, a new id per start; node, its name
--   Out    lock_class and lock_object of the advisory lock that this session holds from now on; renewals = 0
--   Locks  takes the session's advisory lock; waits for no session but one of a node's with the same owner.
--   Repeat on the same session: harmless, renews. On another one, see ledger.owner_reclaim.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_start(owner uuid, node text)
RETURNS TABLE (lock_class int, lock_object int, renewals bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_object int;
    v_renewals bigint;
BEGIN
    INSERT INTO gatepost.owner AS o (id, node, renewed_at, incarnation, started_at)
    VALUES (owner_start.owner, owner_start.node, ledger.clock(), gatepost.incarnation(), ledger.clock())
    ON CONFLICT ON CONSTRAINT owner_pkey DO UPDATE
        SET renewals = o.renewals + 1, renewed_at = excluded.renewed_at, incarnation = excluded.incarnation
    RETURNING o.lock_object, o.renewals INTO v_object, v_renewals;
    -- Locked before the row can be seen: no looker finds a new owner without its lock.
    IF gatepost.owner_lock(owner_start.owner) THEN
        SELECT o.lock_object INTO v_object FROM gatepost.owner o WHERE o.id = owner_start.owner;
    ELSE
        PERFORM pg_advisory_lock(1196445524, v_object);
    END IF;
    RETURN QUERY SELECT 1196445524, v_object, v_renewals;
END
$$;

ALTER FUNCTION ledger.owner_start(uuid, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_start(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_start(uuid, text) TO gatepost_node;
