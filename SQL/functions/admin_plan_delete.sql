-- admin.plan_delete: a plan that no tenant has goes.
--   In     os_user; name.    Out  changed: false if there was none of that name
--   Raises GP005 tenants have it
--   Locks  the plan.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.plan_delete(os_user text, name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint;
    v_tenants text[];
    v_count bigint;
BEGIN
    SELECT p.id INTO v_id FROM gatepost.plan p WHERE p.name = plan_delete.name FOR UPDATE;
    IF NOT FOUND THEN
        -- So that a repeat after doubt has written.
        UPDATE gatepost.relay_pool p SET changes = p.changes + 1 WHERE p.name = 'default';
        RETURN false;
    END IF;
    SELECT count(*), (array_agg(t.slug ORDER BY t.slug))[:3] INTO v_count, v_tenants
    FROM gatepost.tenant t WHERE t.plan_id = v_id;
    IF v_count > 0 THEN
        RAISE EXCEPTION '% the plan "%": %',
            CASE v_count WHEN 1 THEN '1 tenant has' ELSE v_count || ' tenants have' END, plan_delete.name,
            array_to_string(v_tenants, ', ') || CASE WHEN v_count > 3 THEN ', …' ELSE '' END
            USING ERRCODE = 'GP005', HINT = 'gatepost tenant set TENANT --plan none';
    END IF;
    DELETE FROM gatepost.plan p WHERE p.id = v_id;
    PERFORM gatepost.audited(os_user, NULL, 'plan delete', plan_delete.name, NULL, NULL);
    RETURN true;
END
$$;

ALTER FUNCTION admin.plan_delete(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.plan_delete(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.plan_delete(text, text) TO gatepost_admin;
