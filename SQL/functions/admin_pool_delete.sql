-- admin.pool_delete: a pool that nobody uses goes.
--   In     os_user; name.    Out  deleted: false if it was not there
--   Raises GP005 tenants or members use it (says which), or it is the default pool
--   Locks  deleted tenants' meters, then the pool row.    Repeat  harmless, and writes each time.
--   Role   gatepost_admin
CREATE OR REPLACE FUNCTION admin.pool_delete(os_user text, name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = pool_delete.name);
    v_default bigint;
    v_gone bigint[];
    v_users text;
    v_members text;
BEGIN
    IF pool_delete.name = 'default' THEN
        RAISE EXCEPTION 'the pool "default" stays: new tenants get it' USING ERRCODE = 'GP005';
    END IF;
    -- Tenants that are deleted keep their rows, and must not keep a pool.
    v_gone := ARRAY(SELECT t.id FROM gatepost.tenant t WHERE t.pool_id = v_id AND t.status = 'deleted');
    PERFORM gatepost.lock_meters(v_gone);
    UPDATE gatepost.relay_pool p SET changes = p.changes + 1 WHERE p.id = v_id;
    UPDATE gatepost.relay_pool p SET changes = p.changes + 1 WHERE p.name = 'default' RETURNING p.id INTO v_default;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    SELECT string_agg(q.slug, ', ') || CASE WHEN count(*) > 5 THEN ' …' ELSE '' END INTO v_users
    FROM (SELECT t.slug FROM gatepost.tenant t WHERE t.pool_id = v_id AND t.status <> 'deleted'
          ORDER BY t.slug LIMIT 6) AS q;
    SELECT string_agg(q.address, ', ') || CASE WHEN count(*) > 5 THEN ' …' ELSE '' END INTO v_members
    FROM (SELECT format('%s:%s', r.host, r.port) AS address FROM gatepost.relay r WHERE r.pool_id = v_id
          ORDER BY r.host, r.port LIMIT 6) AS q;
    IF v_users IS NOT NULL THEN
        RAISE EXCEPTION 'the pool "%" is in use by tenants: %', pool_delete.name, v_users USING ERRCODE = 'GP005',
            HINT = 'gatepost tenant set TENANT --pool OTHER';
    ELSIF v_members IS NOT NULL THEN
        RAISE EXCEPTION 'the pool "%" has members: %', pool_delete.name, v_members USING ERRCODE = 'GP005',
            HINT = format('gatepost relay remove %s HOST:PORT', pool_delete.name);
    END IF;
    UPDATE gatepost.tenant t SET pool_id = v_default WHERE t.id = ANY (v_gone) AND t.status = 'deleted';
    DELETE FROM gatepost.relay_pool p WHERE p.id = v_id;
    PERFORM gatepost.audited(pool_delete.os_user, NULL, 'pool delete', pool_delete.name, NULL, 'pool');
    RETURN true;
END
$$;

ALTER FUNCTION admin.pool_delete(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.pool_delete(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.pool_delete(text, text) TO gatepost_admin;
