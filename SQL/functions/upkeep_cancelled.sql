-- ledger.upkeep_cancelled: finish and refund recipients that were marked by cancel while under way and are free now.
--   In     at most this many.    Out  recipients cancelled; call again while it is not 0
--   Locks  the meters in tenant order first, then recipients in (message, number) order.
--   Repeat harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_cancelled(at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_why text := 'cancelled while under way';
    v_tenants bigint[];
    v_ids uuid[];
    v_numbers int[];
    c_tenants bigint[];
    c_ids uuid[];
    c_numbers int[];
    w_tenants bigint[] := '{}';
    w_ids uuid[] := '{}';
    w_numbers int[] := '{}';
BEGIN
    -- Candidates, without a lock: they tell which meters come first.
    SELECT array_agg(q.tenant_id), array_agg(q.message_id), array_agg(q.number) INTO v_tenants, v_ids, v_numbers
    FROM (SELECT * FROM (
              SELECT r.tenant_id, r.message_id, r.number, r.owner_id FROM gatepost.recipient r
              WHERE r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')
              UNION ALL
              SELECT r.tenant_id, r.message_id, r.number, r.owner_id FROM gatepost.recipient_straggler r
              WHERE r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')) AS m
          WHERE m.owner_id IS NULL OR NOT EXISTS (SELECT FROM gatepost.owner o WHERE o.id = m.owner_id)
          LIMIT at_most) AS q;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM gatepost.lock_meters(v_tenants);
    v_now := ledger.clock();
    PERFORM FROM unnest(v_tenants, v_ids, v_numbers) AS n (tenant_id, message_id, number)
    JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient r SET state = 'cancelled', owner_id = NULL, final_at = v_now
        FROM unnest(v_tenants, v_ids, v_numbers) AS n (tenant_id, message_id, number)
        WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')
          AND (r.owner_id IS NULL OR NOT EXISTS (SELECT FROM gatepost.owner o WHERE o.id = r.owner_id))
        RETURNING r.tenant_id, r.message_id, r.number
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c;
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;
    -- In later statements, for a message may have become a straggler meanwhile.
    PERFORM FROM unnest(v_tenants, v_ids, v_numbers) AS n (tenant_id, message_id, number)
    JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
        AND r.number = n.number
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient_straggler r SET state = 'cancelled', owner_id = NULL, final_at = v_now
        FROM unnest(v_tenants, v_ids, v_numbers) AS n (tenant_id, message_id, number)
        WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.mark IS NOT NULL AND r.state IN ('queued', 'deferred')
          AND (r.owner_id IS NULL OR NOT EXISTS (SELECT FROM gatepost.owner o WHERE o.id = r.owner_id))
        RETURNING r.tenant_id, r.message_id, r.number
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c;
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;

    INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, number, credential_id, detail)
    SELECT n.tenant_id, gatepost.uuid_new(v_now), v_now, 'cancelled', n.message_id, n.number, d.credential_id,
           jsonb_build_object('reason', v_why)
    FROM unnest(w_tenants, w_ids, w_numbers) AS n (tenant_id, message_id, number)
    LEFT JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0;
    PERFORM gatepost.refund(array_agg(p.tenant_id), array_agg(p.message_id), array_agg(p.recipients), 'cancel', v_now)
    FROM (SELECT n.tenant_id, n.message_id, count(*)::int AS recipients
          FROM unnest(w_tenants, w_ids) AS n (tenant_id, message_id) GROUP BY n.tenant_id, n.message_id) AS p
    HAVING count(*) > 0;
    RETURN cardinality(w_ids);
END
$$;

ALTER FUNCTION ledger.upkeep_cancelled(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_cancelled(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_cancelled(int) TO gatepost_node, gatepost_admin;
