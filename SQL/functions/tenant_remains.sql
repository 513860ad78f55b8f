-- gatepost.tenant_remains: take away some of what a deleted tenant leaves and nobody needs: resubmission keys,
-- correspondents, suppressions, and bodies of messages none of whose recipients is still on the way.
--   In     tenant; at most so many rows of each
--   Out    rows that went; 0: nothing is left
--   Locks  rows of these tables; the caller holds the meter.    Repeat  goes on.    Role  none; admin.tenant_purge uses it
CREATE OR REPLACE FUNCTION gatepost.tenant_remains(tenant bigint, at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_removed bigint := 0;
    v_count bigint;
    v_bodies uuid[];
BEGIN
    DELETE FROM gatepost.recent k WHERE k.ctid = ANY (ARRAY(
        SELECT q.ctid FROM gatepost.recent q WHERE q.tenant_id = tenant LIMIT at_most));
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    DELETE FROM gatepost.correspondent k WHERE k.ctid = ANY (ARRAY(
        SELECT q.ctid FROM gatepost.correspondent q WHERE q.tenant_id = tenant LIMIT at_most));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    DELETE FROM gatepost.suppression k WHERE k.ctid = ANY (ARRAY(
        SELECT q.ctid FROM gatepost.suppression q WHERE q.tenant_id = tenant LIMIT at_most));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    v_bodies := ARRAY(
        SELECT b.message_id FROM gatepost.body b
        WHERE b.tenant_id = tenant AND NOT EXISTS (
            SELECT FROM gatepost.recipient r
            WHERE r.tenant_id = tenant AND r.message_id = b.message_id AND r.state IN ('queued', 'deferred'))
        LIMIT at_most);
    DELETE FROM gatepost.body b WHERE b.tenant_id = tenant AND b.message_id = ANY (v_bodies);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    DELETE FROM gatepost.body_straggler b
    WHERE b.tenant_id = tenant AND NOT EXISTS (
        SELECT FROM gatepost.recipient_straggler r
        WHERE r.tenant_id = tenant AND r.message_id = b.message_id AND r.state IN ('queued', 'deferred'));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_removed + v_count;
END
$$;

ALTER FUNCTION gatepost.tenant_remains(bigint, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.tenant_remains(bigint, int) FROM PUBLIC;
