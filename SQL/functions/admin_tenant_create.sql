-- admin.tenant_create: a tenant with its meter.
--   In     os_user for the audit; slug; limits: as admin.tenant_set's changes, {} for the defaults
--   Out    its id; created: false if it was there already (its limits are then left alone: what a repeat after doubt
--          sees, and what a caller who is not repeating reports as "exists")
--   Raises GP002 no such pool or plan; GP004 a value that cannot be.
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_create(os_user text, slug text, limits jsonb DEFAULT '{}')
RETURNS TABLE (id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_tenant gatepost.tenant;
    v_new gatepost.tenant;
    v_id bigint;
BEGIN
    IF tenant_create.slug !~ '^[a-z0-9][a-z0-9-]{0,39}$' IS NOT FALSE THEN
        RAISE EXCEPTION 'a tenant cannot be called "%"', tenant_create.slug USING ERRCODE = 'GP004',
            HINT = 'Small letters, digits and hyphens, at most 40, a letter or digit first.';
    END IF;
    -- The defaults of the table, then the caller's. A repeat finds the row and takes its meter.
    INSERT INTO gatepost.tenant AS t (slug, pool_id)
    VALUES (tenant_create.slug, (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = 'default'))
    ON CONFLICT (slug) DO NOTHING
    RETURNING t.* INTO v_tenant;
    IF NOT FOUND THEN
        SELECT t.id INTO v_id FROM gatepost.tenant t WHERE t.slug = tenant_create.slug;
        PERFORM gatepost.lock_meters(ARRAY[v_id]);
        RETURN QUERY SELECT v_id, false;
        RETURN;
    END IF;
    INSERT INTO gatepost.meter (tenant_id) VALUES (v_tenant.id);
    PERFORM FROM gatepost.plan p WHERE p.name = tenant_create.limits ->> 'plan' FOR SHARE;
    v_new := gatepost.tenant_changed(v_tenant, limits);
    PERFORM gatepost.tenant_store(v_tenant, v_new, ledger.clock());
    PERFORM gatepost.audited(os_user, v_tenant.id, 'tenant create', tenant_create.slug, limits,
        'tenant:' || v_tenant.id);
    RETURN QUERY SELECT v_tenant.id, true;
END
$$;

ALTER FUNCTION admin.tenant_create(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_create(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_create(text, text, jsonb) TO gatepost_admin;
