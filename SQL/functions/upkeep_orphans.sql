-- ledger.upkeep_orphans: free rows that are leased to owners who are not registered.
--   In     at most this many.    Out  rows freed; call again while it is not 0
--   Locks  recipients in (message, number) order, skipping locked ones.    Repeat  harmless.    Role  gatepost_node,
--          gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_orphans(at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_owner uuid := '00000000-0000-0000-0000-000000000000';
    v_freed bigint := 0;
BEGIN
    -- From one owner to the next by the index: there are few, whatever they hold.
    LOOP
        SELECT n.owner_id INTO v_owner FROM (
            (SELECT r.owner_id FROM gatepost.recipient r WHERE r.owner_id > v_owner ORDER BY r.owner_id LIMIT 1)
            UNION ALL
            (SELECT r.owner_id FROM gatepost.recipient_straggler r WHERE r.owner_id > v_owner
             ORDER BY r.owner_id LIMIT 1)) AS n
        ORDER BY n.owner_id LIMIT 1;
        EXIT WHEN v_owner IS NULL OR v_freed >= at_most;
        IF NOT EXISTS (SELECT FROM gatepost.owner o WHERE o.id = v_owner) THEN
            v_freed := v_freed + gatepost.free_rows(v_owner, (at_most - v_freed)::int);
        END IF;
    END LOOP;
    RETURN v_freed;
END
$$;

ALTER FUNCTION ledger.upkeep_orphans(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_orphans(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_orphans(int) TO gatepost_node, gatepost_admin;
