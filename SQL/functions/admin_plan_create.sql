-- admin.plan_create: a named set of limits.
--   In     os_user; name; limits: as admin.tenant_set's changes, but for plan, zone, pool and contact, which are a
--          tenant's own
--   Out    its id; created: false if there was one of that name (it is then left alone)
--   Raises GP004 a name or a value that cannot be
--   Locks  the plan.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.plan_create(os_user text, name text, limits jsonb)
RETURNS TABLE (id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint;
    v_limits jsonb := gatepost.plan_limits('{}', plan_create.limits);
BEGIN
    IF plan_create.name !~ '^[a-z0-9][a-z0-9-]{0,39}$' IS NOT FALSE OR plan_create.name IN ('none', 'inherit') THEN
        RAISE EXCEPTION 'a plan cannot be called "%"', plan_create.name USING ERRCODE = 'GP004',
            HINT = 'Small letters, digits and hyphens, at most 40, a letter or digit first; not none, not inherit.';
    END IF;
    INSERT INTO gatepost.plan AS p (name, limits) VALUES (plan_create.name, v_limits)
    ON CONFLICT ON CONSTRAINT plan_name_key DO NOTHING RETURNING p.id INTO v_id;
    IF NOT FOUND THEN
        UPDATE gatepost.plan p SET changes = p.changes + 1 WHERE p.name = plan_create.name RETURNING p.id INTO v_id;
        RETURN QUERY SELECT v_id, false;
        RETURN;
    END IF;
    PERFORM gatepost.audited(plan_create.os_user, NULL, 'plan create', plan_create.name, v_limits, NULL);
    RETURN QUERY SELECT v_id, true;
END
$$;

ALTER FUNCTION admin.plan_create(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.plan_create(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.plan_create(text, text, jsonb) TO gatepost_admin;
