-- ledger.owner_renew: say that an owner lives (every 5 s or so; on any connection).
--   In     owner
--   Out    the new count, and whether some session holds its advisory lock. No row: it was freed; start under a new id
--   Locks  the owner row.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_renew(owner uuid)
RETURNS TABLE (renewals bigint, locked boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE gatepost.owner AS o
    SET renewals = o.renewals + 1, renewed_at = ledger.clock(), incarnation = gatepost.incarnation()
    WHERE o.id = owner_renew.owner
    RETURNING o.renewals, gatepost.owner_locked(o.lock_object, NULL)
$$;

ALTER FUNCTION ledger.owner_renew(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_renew(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_renew(uuid) TO gatepost_node;
