-- admin.pool_create: a relay pool.
--   In     os_user; name.    Out  id; created: false if it was there.    Raises  GP004 a name that cannot be
--   Locks  the pool row.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.pool_create(os_user text, name text) RETURNS TABLE (id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint;
    v_changes bigint;
BEGIN
    IF pool_create.name !~ '^[a-z0-9][a-z0-9-]{0,39}$' IS NOT FALSE THEN
        RAISE EXCEPTION 'a pool cannot be called "%"', pool_create.name USING ERRCODE = 'GP004',
            HINT = 'Small letters, digits and hyphens, at most 40, a letter or digit first.';
    END IF;
    INSERT INTO gatepost.relay_pool AS p (name) VALUES (pool_create.name)
    ON CONFLICT (name) DO UPDATE SET changes = p.changes + 1
    RETURNING p.id, p.changes INTO v_id, v_changes;
    IF v_changes = 0 THEN
        PERFORM gatepost.audited(os_user, NULL, 'pool create', pool_create.name, NULL, 'pool');
    END IF;
    RETURN QUERY SELECT v_id, v_changes = 0;
END
$$;

ALTER FUNCTION admin.pool_create(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.pool_create(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.pool_create(text, text) TO gatepost_admin;
