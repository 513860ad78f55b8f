-- ledger.owner_free: a lost owner's rows become free.
--   In     owner; renewals, the count at which it was seen lost
--   Out    true: it was still at that count, is gone now, and its first 1,000 rows are free (upkeep_orphans frees the
--          rest); false: it renewed, or was gone already
--   Locks  the owner row, then recipients in (message, number) order, skipping locked ones.
--   Repeat false.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.owner_free(owner uuid, seen_renewals bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM gatepost.owner o WHERE o.id = owner_free.owner AND o.renewals = seen_renewals;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM gatepost.free_rows(owner_free.owner, 1000);
    RETURN true;
END
$$;

ALTER FUNCTION ledger.owner_free(uuid, bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owner_free(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owner_free(uuid, bigint) TO gatepost_node;
