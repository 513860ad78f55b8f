-- gatepost.cancel_recipients: take recipients back that are not final, and refund those that nobody has under way.
--   In     messages in parallel arrays; numbers: only these recipients of each (null: all); why; at, the time of it
--   Out    one row per recipient cancelled now. The others, leased to a living owner, are only marked: settle or upkeep
--          finishes them.
--   Locks  recipients in (message, number) order; the caller holds the meters. Deletes the resubmission keys
--          of messages of which a recipient is cancelled or marked.
--   Repeat changes nothing more.    Role  none; cancel and admin.tenant_purge use it
CREATE OR REPLACE FUNCTION gatepost.cancel_recipients(tenants bigint[], ids uuid[], numbers int[], why text,
    at timestamptz) RETURNS TABLE (message_id uuid, number int)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    c_tenants bigint[];       -- recipients cancelled by one statement, and by all
    c_ids uuid[];
    c_numbers int[];
    w_tenants bigint[] := '{}';
    w_ids uuid[] := '{}';
    w_numbers int[] := '{}';
BEGIN
    PERFORM FROM unnest(tenants, ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient r
        SET state = CASE WHEN o.id IS NULL THEN 'cancelled' ELSE r.state END,
            owner_id = CASE WHEN o.id IS NULL THEN NULL ELSE r.owner_id END,
            final_at = CASE WHEN o.id IS NULL THEN cancel_recipients.at END,
            mark = coalesce(r.mark, why)
        FROM unnest(tenants, ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient q ON q.tenant_id = n.tenant_id AND q.message_id = n.message_id
        LEFT JOIN gatepost.owner o ON o.id = q.owner_id
        WHERE r.tenant_id = q.tenant_id AND r.message_id = q.message_id AND r.number = q.number
          AND r.state IN ('queued', 'deferred') AND (r.number = ANY (cancel_recipients.numbers)) IS NOT FALSE
        RETURNING r.tenant_id, r.message_id, r.number, r.state
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c WHERE c.state = 'cancelled';
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;
    -- In later statements, for a message may have become a straggler meanwhile.
    PERFORM FROM unnest(tenants, ids) AS n (tenant_id, message_id)
    JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH changed AS (
        UPDATE gatepost.recipient_straggler r
        SET state = CASE WHEN o.id IS NULL THEN 'cancelled' ELSE r.state END,
            owner_id = CASE WHEN o.id IS NULL THEN NULL ELSE r.owner_id END,
            final_at = CASE WHEN o.id IS NULL THEN cancel_recipients.at END,
            mark = coalesce(r.mark, why)
        FROM unnest(tenants, ids) AS n (tenant_id, message_id)
        JOIN gatepost.recipient_straggler q ON q.tenant_id = n.tenant_id AND q.message_id = n.message_id
        LEFT JOIN gatepost.owner o ON o.id = q.owner_id
        WHERE r.tenant_id = q.tenant_id AND r.message_id = q.message_id AND r.number = q.number
          AND r.state IN ('queued', 'deferred') AND (r.number = ANY (cancel_recipients.numbers)) IS NOT FALSE
        RETURNING r.tenant_id, r.message_id, r.number, r.state
    )
    SELECT array_agg(c.tenant_id), array_agg(c.message_id), array_agg(c.number) INTO c_tenants, c_ids, c_numbers
    FROM changed c WHERE c.state = 'cancelled';
    w_tenants := w_tenants || c_tenants;
    w_ids := w_ids || c_ids;
    w_numbers := w_numbers || c_numbers;

    INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, number, credential_id, detail)
    SELECT n.tenant_id, gatepost.uuid_new(cancel_recipients.at), cancel_recipients.at, 'cancelled', n.message_id,
           n.number, d.credential_id, jsonb_build_object('reason', why)
    FROM unnest(w_tenants, w_ids, w_numbers) AS n (tenant_id, message_id, number)
    LEFT JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0;
    PERFORM gatepost.refund(array_agg(p.tenant_id), array_agg(p.message_id), array_agg(p.recipients), 'cancel',
                            cancel_recipients.at)
    FROM (SELECT n.tenant_id, n.message_id, count(*)::int AS recipients
          FROM unnest(w_tenants, w_ids) AS n (tenant_id, message_id) GROUP BY n.tenant_id, n.message_id) AS p
    HAVING count(*) > 0;

    -- Sent again, it is new mail; not where nothing is cancelled, nor marked to be.
    DELETE FROM gatepost.recent k USING unnest(tenants, ids) AS n (tenant_id, message_id), gatepost.message m
    WHERE m.tenant_id = n.tenant_id AND m.id = n.message_id AND k.tenant_id = m.tenant_id
      AND k.credential_id = m.credential_id AND k.digest = m.digest AND k.message_id = m.id
      AND EXISTS (SELECT FROM gatepost.recipient r
                  WHERE r.tenant_id = m.tenant_id AND r.message_id = m.id AND r.mark IS NOT NULL
                    AND (r.number = ANY (cancel_recipients.numbers)) IS NOT FALSE);

    -- Forwarders give back what they hold of it and have not begun.
    PERFORM pg_notify('gatepost_directory', 'tenant:' || n.tenant_id) FROM unnest(tenants) AS n (tenant_id);

    RETURN QUERY SELECT w.id, w.number FROM unnest(w_ids, w_numbers) AS w (id, number);
END
$$;

ALTER FUNCTION gatepost.cancel_recipients(bigint[], uuid[], int[], text, timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.cancel_recipients(bigint[], uuid[], int[], text, timestamptz) FROM PUBLIC;
