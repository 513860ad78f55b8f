-- gatepost.plan_limits: a plan's limits with changes applied, every value checked. Writes nothing.
--   In     the limits as they are; changes: as admin.tenant_set's; "inherit" takes a limit out of the plan
--   Raises GP004 an unknown key, one that is a tenant's own, or a value that cannot be.    Locks  none
--   Role   none; admin.plan_* use it
CREATE OR REPLACE FUNCTION gatepost.plan_limits(limits jsonb, changes jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tenant gatepost.tenant;
    v_key text;
    v_limits jsonb;
BEGIN
    IF jsonb_typeof(changes) <> 'object' THEN
        RAISE EXCEPTION 'changes must be an object' USING ERRCODE = 'GP004';
    END IF;
    FOREACH v_key IN ARRAY ARRAY['plan', 'zone', 'pool', 'contact'] LOOP
        IF changes ? v_key THEN
            RAISE EXCEPTION 'a plan has no %', v_key USING ERRCODE = 'GP004', HINT = 'Give it to the tenant.';
        END IF;
    END LOOP;
    v_limits := limits || changes;
    IF changes ? 'rate' AND NOT changes ? 'burst' THEN
        v_limits := v_limits - 'burst';
    END IF;
    SELECT coalesce(jsonb_object_agg(c.key, c.value), '{}') INTO v_limits FROM jsonb_each(v_limits) AS c (key, value)
    WHERE c.value <> '"inherit"' AND NOT (c.key = 'burst' AND c.value = 'null');
    -- Whatever a tenant could not have, a plan cannot. (Unknown keys are refused there even if given back.)
    v_tenant.own := '{}';
    PERFORM gatepost.tenant_changed(v_tenant, v_limits
        || (SELECT coalesce(jsonb_object_agg(c.key, c.value), '{}') FROM jsonb_each(changes) AS c (key, value)
            WHERE NOT gatepost.limit_defaults() ? c.key));
    RETURN v_limits;
END
$$;

ALTER FUNCTION gatepost.plan_limits(jsonb, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.plan_limits(jsonb, jsonb) FROM PUBLIC;
