-- gatepost.pool_lock: what every change of a pool does first: find it, lock it, write it.
--   Out    its id.    Raises  GP002 no such pool.    Locks  the pool row.    Role  none; admin.* use it
CREATE OR REPLACE FUNCTION gatepost.pool_lock(pool text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint;
BEGIN
    UPDATE gatepost.relay_pool p SET changes = p.changes + 1 WHERE p.name = pool RETURNING p.id INTO v_id;
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no relay pool "%"', pool USING ERRCODE = 'GP002', HINT = 'gatepost pool list';
    END IF;
    RETURN v_id;
END
$$;

ALTER FUNCTION gatepost.pool_lock(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.pool_lock(text) FROM PUBLIC;
