-- admin.queue_retry: what waits for its next attempt is due now.
--   In     os_user; message id; numbers: only these recipients, null: all
--   Out    one row per recipient: 'due', 'under way' (leased: being tried now), 'cancelled' (marked so), 'final'
--   Raises GP002 no such message; GP005 the tenant's queue is held: what waits would not be tried
--   Locks  the meter first, then recipients in number order.    Repeat  harmless, and writes each time.
--   Role   gatepost_admin
CREATE OR REPLACE FUNCTION admin.queue_retry(os_user text, message_id uuid, numbers int[])
RETURNS TABLE (number int, verdict text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_held text;  -- the tenant, where its queue is held
    v_tenant bigint := coalesce(
        (SELECT m.tenant_id FROM gatepost.message m WHERE m.id = queue_retry.message_id),
        (SELECT m.tenant_id FROM gatepost.message_straggler m WHERE m.id = queue_retry.message_id));
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no message %', queue_retry.message_id USING ERRCODE = 'GP002', HINT = 'gatepost queue list';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_tenant]);
    v_held := (SELECT t.slug FROM gatepost.tenant t WHERE t.id = v_tenant AND t.hold_queue);
    IF v_held IS NOT NULL AND EXISTS (
        SELECT FROM (
            SELECT r.number, r.state, r.mark, r.owner_id FROM gatepost.recipient r
            WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
            UNION ALL
            SELECT r.number, r.state, r.mark, r.owner_id FROM gatepost.recipient_straggler r
            WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id) AS q
        WHERE (q.number = ANY (queue_retry.numbers)) IS NOT FALSE AND q.state IN ('queued', 'deferred')
          AND q.mark IS NULL AND q.owner_id IS NULL)
    THEN
        RAISE EXCEPTION 'the queue of the tenant "%" is held; `gatepost tenant resume %` lets it go', v_held, v_held
            USING ERRCODE = 'GP005';
    END IF;
    v_now := ledger.clock();
    PERFORM FROM gatepost.recipient r WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
    ORDER BY r.number FOR UPDATE;
    UPDATE gatepost.recipient r SET next_attempt = v_now
    WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
      AND (r.number = ANY (queue_retry.numbers)) IS NOT FALSE AND r.next_attempt > v_now
      AND r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.mark IS NULL;
    -- In later statements, for the message may have become a straggler meanwhile.
    PERFORM FROM gatepost.recipient_straggler r WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
    ORDER BY r.number FOR UPDATE;
    UPDATE gatepost.recipient_straggler r SET next_attempt = v_now
    WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
      AND (r.number = ANY (queue_retry.numbers)) IS NOT FALSE AND r.next_attempt > v_now
      AND r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.mark IS NULL;
    PERFORM gatepost.audited(queue_retry.os_user, v_tenant, 'queue retry', queue_retry.message_id::text,
                             jsonb_strip_nulls(jsonb_build_object('recipients', queue_retry.numbers)), NULL);
    RETURN QUERY
        SELECT q.number, CASE WHEN q.state NOT IN ('queued', 'deferred') THEN 'final'
                              WHEN q.mark IS NOT NULL THEN 'cancelled'
                              WHEN q.owner_id IS NOT NULL THEN 'under way'
                              ELSE 'due' END
        FROM (SELECT r.number, r.state, r.mark, r.owner_id FROM gatepost.recipient r
              WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id
              UNION ALL
              SELECT r.number, r.state, r.mark, r.owner_id FROM gatepost.recipient_straggler r
              WHERE r.tenant_id = v_tenant AND r.message_id = queue_retry.message_id) AS q
        WHERE (q.number = ANY (queue_retry.numbers)) IS NOT FALSE
        ORDER BY q.number;
END
$$;

ALTER FUNCTION admin.queue_retry(text, uuid, int[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.queue_retry(text, uuid, int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.queue_retry(text, uuid, int[]) TO gatepost_admin;
