-- admin.plan_apply: give some of a plan's tenants the limits it has now, in the order of their ids.
--   In     os_user; name; after: the last id of the part before, 0 to begin; at most so many tenants
--   Out    one row: last: the last id gone through, null: nobody was left; changed: how many had other limits
--   Raises GP002 no such plan
--   Locks  the meters of these tenants first, in tenant order, then the plan: when it returns, nothing of theirs was
--          decided by the old limits and is still uncommitted.
--   Repeat harmless, and writes each time where there are tenants.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.plan_apply(os_user text, name text, after bigint, at_most int)
RETURNS TABLE (last bigint, changed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    v_id bigint := gatepost.plan_id(plan_apply.name);
    v_now timestamptz;
    v_tenants bigint[];
    v_old gatepost.tenant;
    v_new gatepost.tenant;
    v_since xid8;
    v_prepared bigint[];
BEGIN
    v_tenants := ARRAY(SELECT t.id FROM gatepost.tenant t
                       WHERE t.plan_id = v_id AND t.id > plan_apply.after AND t.status <> 'deleted'
                       ORDER BY t.id LIMIT at_most);
    changed := 0;
    IF v_tenants = '{}' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- Before the lock what takes a while, by what is known now.
    SELECT p.since, p.prepared INTO v_since, v_prepared FROM gatepost.correspondent_prepare(ARRAY(
        SELECT gatepost.tenant_changed(t, '{}') FROM gatepost.tenant t WHERE t.id = ANY (v_tenants) ORDER BY t.id)) AS p;
    PERFORM gatepost.lock_meters(v_tenants);
    PERFORM FROM gatepost.plan p WHERE p.id = v_id FOR SHARE;
    v_now := ledger.clock();
    last := v_tenants[cardinality(v_tenants)];
    FOR v_old IN SELECT t.* FROM gatepost.tenant t WHERE t.id = ANY (v_tenants) AND t.plan_id = v_id ORDER BY t.id LOOP
        v_new := gatepost.tenant_changed(v_old, '{}');
        IF v_new IS DISTINCT FROM v_old THEN
            PERFORM gatepost.tenant_store(v_old, v_new, v_now,
                                          CASE WHEN v_old.id = ANY (v_prepared) THEN v_since END);
            PERFORM gatepost.audited(os_user, v_old.id, 'tenant plan', v_old.slug,
                                     jsonb_build_object('plan', plan_apply.name), 'tenant:' || v_old.id);
            changed := changed + 1;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;

ALTER FUNCTION admin.plan_apply(text, text, bigint, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.plan_apply(text, text, bigint, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.plan_apply(text, text, bigint, int) TO gatepost_admin;
