-- ledger.upkeep_expired: delete what has had its time: batch rows after a day, resubmission keys after 10 minutes, hour
-- buckets after two days, whom a tenant has not sent to for 90 days.
--   In     at most this many of each.    Out  rows deleted; call again while it is not 0
--   Locks  the rows it deletes, skipping locked ones.    Repeat  harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.upkeep_expired(at_most int) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz := ledger.clock();
    v_deleted bigint := 0;
    v_more bigint;
BEGIN
    DELETE FROM gatepost.batch b WHERE b.id IN (
        SELECT o.id FROM gatepost.batch o WHERE o.at < v_now - interval '1 day'
        ORDER BY o.at LIMIT at_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    v_deleted := v_deleted + v_more;
    DELETE FROM gatepost.recent k WHERE (k.tenant_id, k.credential_id, k.digest) IN (
        SELECT o.tenant_id, o.credential_id, o.digest FROM gatepost.recent o WHERE o.at < v_now - interval '10 minutes'
        ORDER BY o.at LIMIT at_most FOR UPDATE SKIP LOCKED) AND k.at < v_now - interval '10 minutes';
    GET DIAGNOSTICS v_more = ROW_COUNT;
    v_deleted := v_deleted + v_more;
    DELETE FROM gatepost.usage_hour h WHERE (h.tenant_id, h.starts) IN (
        SELECT o.tenant_id, o.starts FROM gatepost.usage_hour o WHERE o.starts < v_now - interval '2 days'
        LIMIT at_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    v_deleted := v_deleted + v_more;
    -- (Day 90 still counts, so the last of them has passed everywhere.)
    DELETE FROM gatepost.correspondent k WHERE (k.tenant_id, k.address) IN (
        SELECT o.tenant_id, o.address FROM gatepost.correspondent o
        WHERE o.last_day < (v_now AT TIME ZONE 'UTC')::date - 90
        ORDER BY o.last_day LIMIT at_most FOR UPDATE SKIP LOCKED)
        AND k.last_day < (v_now AT TIME ZONE 'UTC')::date - 90;
    GET DIAGNOSTICS v_more = ROW_COUNT;
    v_deleted := v_deleted + v_more;
    DELETE FROM gatepost.settle_repeat s WHERE NOT EXISTS (SELECT FROM gatepost.owner o WHERE o.id = s.owner_id);
    GET DIAGNOSTICS v_more = ROW_COUNT;
    RETURN v_deleted + v_more;
END
$$;

ALTER FUNCTION ledger.upkeep_expired(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_expired(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_expired(int) TO gatepost_node, gatepost_admin;
