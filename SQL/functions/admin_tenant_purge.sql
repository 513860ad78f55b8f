-- admin.tenant_purge: cancel what still waits of a deleted tenant, a part at a time: recipients are refunded, or marked
-- if they are under way; then what nobody needs any more goes: bodies of messages that are over, resubmission keys, the
-- list of correspondents, suppressions. Rows of the queue, the ledger and usage stay.
--   In     os_user; slug; at most this many messages
--   Out    messages gone through; recipients cancelled; recipients marked; removed: rows that went (messages and removed
--          both 0: nothing is left but what is under way)
--   Raises GP002 no such tenant; GP005 it is not deleted
--   Locks  the meter first, then recipients in (message, number) order.    Repeat  goes on.    Role  gatepost_admin
DROP FUNCTION IF EXISTS admin.tenant_purge(text, text, int);
CREATE FUNCTION admin.tenant_purge(os_user text, slug text, at_most int)
RETURNS TABLE (messages bigint, cancelled bigint, marked bigint, removed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint;
    v_status text;
    v_ids uuid[];
    v_cancelled bigint;
    v_marked bigint;
BEGIN
    SELECT t.id, t.status INTO v_id, v_status FROM gatepost.tenant t WHERE t.slug = tenant_purge.slug;
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no tenant "%"', tenant_purge.slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    ELSIF v_status <> 'deleted' THEN
        RAISE EXCEPTION 'the tenant "%" is not deleted', tenant_purge.slug USING ERRCODE = 'GP005';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    SELECT array_agg(DISTINCT q.message_id) INTO v_ids FROM (
        (SELECT r.message_id FROM gatepost.recipient r
         -- (A range of one keeps the planner on the index that begins with the tenant.)
         WHERE r.tenant_id >= v_id AND r.tenant_id <= v_id AND r.owner_id IS NULL
           AND r.state IN ('queued', 'deferred') AND r.mark IS NULL
         ORDER BY r.tenant_id, r.next_attempt LIMIT at_most)
        UNION ALL
        (SELECT r.message_id FROM gatepost.recipient r
         WHERE r.tenant_id = v_id AND r.owner_id IS NOT NULL AND r.state IN ('queued', 'deferred') AND r.mark IS NULL
         LIMIT at_most)
        UNION ALL
        (SELECT r.message_id FROM gatepost.recipient_straggler r
         WHERE r.tenant_id = v_id AND r.state IN ('queued', 'deferred') AND r.mark IS NULL LIMIT at_most)
    ) AS q;
    IF v_ids IS NULL THEN
        UPDATE gatepost.tenant t SET hold_queue = false WHERE t.id = v_id AND t.hold_queue;
        IF FOUND THEN
            PERFORM pg_notify('gatepost_directory', 'tenant:' || v_id);
        END IF;
        RETURN QUERY SELECT 0::bigint, 0::bigint, 0::bigint, gatepost.tenant_remains(v_id, at_most);
        RETURN;
    END IF;
    SELECT count(*) INTO v_cancelled FROM gatepost.cancel_recipients(
        array_fill(v_id, ARRAY[cardinality(v_ids)]), v_ids, NULL, 'tenant deleted', ledger.clock());
    SELECT (SELECT count(*) FROM unnest(v_ids) AS n (id) JOIN gatepost.recipient r ON r.tenant_id = v_id
                AND r.message_id = n.id WHERE r.mark IS NOT NULL AND r.state IN ('queued', 'deferred'))
         + (SELECT count(*) FROM unnest(v_ids) AS n (id) JOIN gatepost.recipient_straggler r ON r.tenant_id = v_id
                AND r.message_id = n.id WHERE r.mark IS NOT NULL AND r.state IN ('queued', 'deferred'))
    INTO v_marked;
    PERFORM gatepost.audited(tenant_purge.os_user, v_id, 'tenant purge', tenant_purge.slug,
                             jsonb_build_object('messages', cardinality(v_ids), 'cancelled', v_cancelled,
                                                'marked', v_marked), NULL);
    RETURN QUERY SELECT cardinality(v_ids)::bigint, v_cancelled, v_marked, 0::bigint;
END
$$;

ALTER FUNCTION admin.tenant_purge(text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_purge(text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_purge(text, text, int) TO gatepost_admin;
