-- admin.plan_set: change a plan. Its tenants follow by admin.plan_apply, a part at a time; whoever is given the plan from
-- here on has the new limits.
--   In     os_user; name; changes: as admin.plan_create's limits; "inherit" takes a limit out of the plan
--   Out    changed: false if everything was so already
--   Raises GP002 no such plan; GP004 a value that cannot be
--   Locks  the plan, and nothing after it.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.plan_set(os_user text, name text, changes jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.plan_id(name);
    v_old jsonb;
    v_new jsonb;
BEGIN
    UPDATE gatepost.plan p SET changes = p.changes + 1 WHERE p.id = v_id RETURNING p.limits INTO v_old;
    v_new := gatepost.plan_limits(v_old, plan_set.changes);
    IF v_new = v_old THEN
        RETURN false;
    END IF;
    UPDATE gatepost.plan p SET limits = v_new WHERE p.id = v_id;
    PERFORM gatepost.audited(os_user, NULL, 'plan set', name, plan_set.changes, NULL);
    RETURN true;
END
$$;

ALTER FUNCTION admin.plan_set(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.plan_set(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.plan_set(text, text, jsonb) TO gatepost_admin;
