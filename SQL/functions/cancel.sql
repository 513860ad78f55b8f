-- ledger.cancel: take messages back before they are delivered, and refund them.
--   In     message ids; os_user and reason for the audit
--   Out    one row per recipient: 'cancelled' (refunded now, to the day, month and credential that paid), 'marked'
--          (under way: if it is not delivered, upkeep finishes and refunds it), 'final' (it has been delivered or
--          bounced or cancelled already); one row with number null and 'unknown' for an id nobody has
--   Locks  the meters in tenant order first, then recipients in (message, number) order. Deletes the resubmission key.
--   Repeat harmless, and writes each time (the meter).    Role  gatepost_admin
CREATE OR REPLACE FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text)
RETURNS TABLE (message_id uuid, number int, verdict text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_why text := coalesce(nullif(cancel.reason, ''), 'cancelled');
    v_tenants bigint[];       -- the messages that exist, in parallel
    v_ids uuid[];
    c_tenants bigint[];       -- recipients cancelled by one statement, and by all
    c_ids uuid[];
    c_numbers int[];
    w_tenants bigint[] := '{}';
    w_ids uuid[] := '{}';
    w_numbers int[] := '{}';
BEGIN
    -- Whose they are never changes, so it may be read before the lock.
    SELECT array_agg(m.tenant_id), array_agg(m.id) INTO v_tenants, v_ids
    FROM gatepost.message m WHERE m.id = ANY (cancel.message_ids);
    SELECT v_tenants || array_agg(m.tenant_id), v_ids || array_agg(m.id) INTO v_tenants, v_ids
    FROM gatepost.message_straggler m WHERE m.id = ANY (cancel.message_ids) AND (m.id = ANY (v_ids)) IS NOT TRUE;
    PERFORM gatepost.lock_meters(v_tenants);
    v_now := ledger.clock();
    PERFORM FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient r
        SET state = CASE WHEN o.id IS NULL THEN 'cancelled' ELSE r.state END,
            owner_id = CASE WHEN o.id IS NULL THEN NULL ELSE r.owner_id END,
            final_at = CASE WHEN o.id IS NULL THEN v_now END,
            mark = coalesce(r.mark, v_why)
        FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient q ON q.tenant_id = n.tenant_id AND q.message_id = n.message_id
        LEFT JOIN gatepost.owner o ON o.id = q.owner_id
        WHERE r.tenant_id = q.tenant_id AND r.message_id = q.message_id AND r.number = q.number
          AND r.state IN ('queued', 'deferred')
        RETURNING r.tenant_id, r.message_id, r.number, r.state
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c WHERE c.state = 'cancelled';
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;
    -- In later statements, for a message may have become a straggler meanwhile.
    PERFORM FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient_straggler r
        SET state = CASE WHEN o.id IS NULL THEN 'cancelled' ELSE r.state END,
            owner_id = CASE WHEN o.id IS NULL THEN NULL ELSE r.owner_id END,
            final_at = CASE WHEN o.id IS NULL THEN v_now END,
            mark = coalesce(r.mark, v_why)
        FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient_straggler q ON q.tenant_id = n.tenant_id AND q.message_id = n.message_id
        LEFT JOIN gatepost.owner o ON o.id = q.owner_id
        WHERE r.tenant_id = q.tenant_id AND r.message_id = q.message_id AND r.number = q.number
          AND r.state IN ('queued', 'deferred')
        RETURNING r.tenant_id, r.message_id, r.number, r.state
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c WHERE c.state = 'cancelled';
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;

    INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, number, detail)
    SELECT n.tenant_id, gatepost.uuid_new(v_now), v_now, 'cancelled', n.message_id, n.number,
           jsonb_build_object('reason', v_why)
    FROM unnest(w_tenants, w_ids, w_numbers) AS n (tenant_id, message_id, number);
    PERFORM gatepost.refund(array_agg(p.tenant_id), array_agg(p.message_id), array_agg(p.recipients), 'cancel', v_now)
    FROM (SELECT n.tenant_id, n.message_id, count(*)::int AS recipients
          FROM unnest(w_tenants, w_ids) AS n (tenant_id, message_id) GROUP BY n.tenant_id, n.message_id) AS p
    HAVING count(*) > 0;

    -- Sent again, it is new mail.
    DELETE FROM gatepost.recent k USING unnest(v_tenants, v_ids) AS n (tenant_id, message_id), gatepost.message m
    WHERE m.tenant_id = n.tenant_id AND m.id = n.message_id AND k.tenant_id = m.tenant_id
      AND k.credential_id = m.credential_id AND k.digest = m.digest AND k.message_id = m.id;

    PERFORM gatepost.audited(cancel.os_user, n.tenant_id, 'queue cancel', n.message_id::text,
                             jsonb_build_object('reason', v_why), NULL)
    FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id);

    RETURN QUERY
        SELECT q.message_id, q.number,
               CASE WHEN q.state = 'cancelled' AND EXISTS (
                        SELECT FROM unnest(w_ids, w_numbers) AS w (id, number)
                        WHERE w.id = q.message_id AND w.number = q.number) THEN 'cancelled'
                    WHEN q.state IN ('queued', 'deferred') THEN 'marked'
                    ELSE 'final' END
        FROM (SELECT r.message_id, r.number, r.state FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
              JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
              UNION ALL
              SELECT r.message_id, r.number, r.state FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
              JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id) AS q
        UNION ALL
        SELECT n.id, NULL, 'unknown' FROM unnest(cancel.message_ids) AS n (id) WHERE (n.id = ANY (v_ids)) IS NOT TRUE
        ORDER BY 1, 2;
END
$$;

ALTER FUNCTION ledger.cancel(text, uuid[], text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.cancel(text, uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.cancel(text, uuid[], text) TO gatepost_admin;
