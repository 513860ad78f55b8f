-- ledger.owner_start: register a lease holder. Call it on the connection that will stay open as its lock session.
--   In     owner, a new id per start; node, its name
--   Out    lock_class and lock_object of the advisory lock that this session holds from now on; renewals = 0
--   Locks  takes the session's advisory lock.
--   Repeat on the same session: harmless, renews. On another one, see ledger.owner_reclaim.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_start(owner uuid, node text)
RETURNS TABLE (lock_class int, lock_object int, renewals bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.owner_start(uuid, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_start(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_start(uuid, text) TO gatepost_node;
