-- gatepost.lock_meters: what every administrative change does first.
--   In     tenants.    Locks  their meters, in tenant order; writes them, so that even a repeat that finds nothing to
--          change has a commit that proves something.    Repeat  harmless.    Role  none; cancel, admin.* and upkeep
--          use it
CREATE OR REPLACE FUNCTION gatepost.lock_meters(tenants bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM FROM gatepost.meter m WHERE m.tenant_id = ANY (tenants) ORDER BY m.tenant_id FOR NO KEY UPDATE;
    UPDATE gatepost.meter m SET changes = m.changes + 1 WHERE m.tenant_id = ANY (tenants);
END
$$;

ALTER FUNCTION gatepost.lock_meters(bigint[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.lock_meters(bigint[]) FROM PUBLIC;
