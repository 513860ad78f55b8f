-- gatepost.move_stragglers: take messages that still have live recipients out of partitions that are to go.
--   In     the range of ids, [low, high); at most this many messages
--   Out    messages moved: whole, each with every recipient unleased and locked. 0: none, or all of them are under way
--   Locks  the meters in tenant order first, then recipients in (message, number) order, skipping messages in use
--   Repeat goes on.    Role  none; upkeep_partitions uses it
CREATE OR REPLACE FUNCTION gatepost.move_stragglers(low uuid, high uuid, at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_tenants bigint[];
    v_ids uuid[];
BEGIN
    SELECT array_agg(q.tenant_id), array_agg(q.message_id) INTO v_tenants, v_ids
    FROM (SELECT DISTINCT r.tenant_id, r.message_id FROM gatepost.recipient r
          WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.message_id >= low AND r.message_id < high
            AND NOT EXISTS (SELECT FROM gatepost.recipient o WHERE o.tenant_id = r.tenant_id
                            AND o.message_id = r.message_id AND o.owner_id IS NOT NULL)
          LIMIT at_most) AS q;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM gatepost.lock_meters(v_tenants);
    -- Whole messages: those of which every recipient was had, and none is leased.
    WITH locked AS MATERIALIZED (
        SELECT r.tenant_id, r.message_id, r.number, r.owner_id
        FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
        ORDER BY r.message_id, r.number FOR UPDATE OF r SKIP LOCKED
    )
    SELECT array_agg(q.tenant_id), array_agg(q.message_id) INTO v_tenants, v_ids
    FROM (SELECT l.tenant_id, l.message_id FROM locked l
          JOIN gatepost.message m ON m.tenant_id = l.tenant_id AND m.id = l.message_id
          GROUP BY l.tenant_id, l.message_id, m.recipients
          HAVING count(*) = m.recipients AND count(l.owner_id) = 0) AS q;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO gatepost.message_straggler
    SELECT m.* FROM unnest(v_tenants, v_ids) AS n (tenant_id, id) JOIN gatepost.message m USING (tenant_id, id);
    INSERT INTO gatepost.recipient_straggler
    SELECT r.* FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient r USING (tenant_id, message_id);
    INSERT INTO gatepost.body_straggler
    SELECT b.* FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
        JOIN gatepost.body b USING (tenant_id, message_id);
    DELETE FROM gatepost.recipient r USING unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id;
    DELETE FROM gatepost.body b USING unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    WHERE b.tenant_id = n.tenant_id AND b.message_id = n.message_id;
    DELETE FROM gatepost.message m USING unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    WHERE m.tenant_id = n.tenant_id AND m.id = n.message_id;
    RETURN cardinality(v_ids);
END
$$;

ALTER FUNCTION gatepost.move_stragglers(uuid, uuid, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.move_stragglers(uuid, uuid, int) FROM PUBLIC;
