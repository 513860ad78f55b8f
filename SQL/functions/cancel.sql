-- ledger.cancel: take messages back before they are delivered, and refund them.
--   In     message ids; os_user and reason for the audit; numbers: only these recipients of each, null: all
--   Out    one row per recipient: 'cancelled' (refunded now, to the day, month and credential that paid), 'marked'
--          (under way: if it is not delivered, upkeep finishes and refunds it), 'final' (it has been delivered or
--          bounced or cancelled already); one row with number null and 'unknown' for an id nobody has
--   Locks  the meters in tenant order first, then recipients in (message, number) order. Deletes the resubmission key
--          of a message of which a recipient is cancelled or marked.
--   Repeat harmless, and writes each time (the meter).    Role  gatepost_admin
CREATE OR REPLACE FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text, numbers int[] DEFAULT NULL)
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
    w_ids uuid[];             -- recipients cancelled now
    w_numbers int[];
BEGIN
    -- Whose they are never changes, so it may be read before the lock.
    SELECT array_agg(m.tenant_id), array_agg(m.id) INTO v_tenants, v_ids
    FROM gatepost.message m WHERE m.id = ANY (cancel.message_ids);
    SELECT v_tenants || array_agg(m.tenant_id), v_ids || array_agg(m.id) INTO v_tenants, v_ids
    FROM gatepost.message_straggler m WHERE m.id = ANY (cancel.message_ids) AND (m.id = ANY (v_ids)) IS NOT TRUE;
    PERFORM gatepost.lock_meters(v_tenants);
    v_now := ledger.clock();
    SELECT array_agg(c.message_id), array_agg(c.number) INTO w_ids, w_numbers
    FROM gatepost.cancel_recipients(v_tenants, v_ids, cancel.numbers, v_why, v_now) AS c;

    PERFORM gatepost.audited(cancel.os_user, n.tenant_id, 'queue cancel', n.message_id::text,
                             jsonb_strip_nulls(jsonb_build_object('reason', v_why,
                                                                  'recipients', cancel.numbers)), NULL)
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
        WHERE (q.number = ANY (cancel.numbers)) IS NOT FALSE
        UNION ALL
        SELECT n.id, NULL, 'unknown' FROM unnest(cancel.message_ids) AS n (id) WHERE (n.id = ANY (v_ids)) IS NOT TRUE
        ORDER BY 1, 2;
END
$$;

ALTER FUNCTION ledger.cancel(text, uuid[], text, int[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.cancel(text, uuid[], text, int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.cancel(text, uuid[], text, int[]) TO gatepost_admin;
