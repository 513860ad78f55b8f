-- gatepost.tenant_changed: a tenant's row with changes applied, every value checked. Writes nothing.
--   In     the row as it is; changes as in admin.tenant_set (and zone, which only admin.tenant_create takes at once).
--          What is not the tenant's own is taken from its plan as that is now, and from the defaults.
--   Raises GP002 no such pool or plan; GP004 an unknown key or a value that cannot be.    Locks  none (the caller holds
--          the meter, then the plan)
--   Role   none; admin.tenant_* and admin.plan_* use it
CREATE OR REPLACE FUNCTION gatepost.tenant_changed(tenant gatepost.tenant, changes jsonb) RETURNS gatepost.tenant
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_defaults jsonb := gatepost.limit_defaults();
    v_plan jsonb;
    v_values jsonb;
    v_key text;
    v_value jsonb;
    v_most constant bigint := 999999999999999999;
BEGIN
    IF jsonb_typeof(changes) <> 'object' THEN
        RAISE EXCEPTION 'changes must be an object' USING ERRCODE = 'GP004';
    END IF;
    FOR v_key, v_value IN SELECT * FROM jsonb_each(changes) LOOP
        IF v_value = '"inherit"' AND NOT v_defaults ? v_key THEN
            RAISE EXCEPTION '% comes from no plan', v_key USING ERRCODE = 'GP004', HINT = 'Give it a value.';
        END IF;
    END LOOP;
    IF changes -> 'plan' = 'null' THEN
        tenant.plan_id := NULL;
    ELSIF changes ? 'plan' THEN
        tenant.plan_id := (SELECT p.id FROM gatepost.plan p WHERE p.name = tenant_changed.changes ->> 'plan');
        IF tenant.plan_id IS NULL THEN
            RAISE EXCEPTION 'no plan "%"', changes ->> 'plan' USING ERRCODE = 'GP002', HINT = 'gatepost plan list';
        END IF;
    END IF;
    v_plan := coalesce((SELECT p.limits FROM gatepost.plan p WHERE p.id = tenant.plan_id), '{}');

    -- What is the tenant's own afterwards: what it is given now and what it had, but for what it gives back. A rate
    -- without a burst takes the burst along.
    tenant.own := ARRAY(
        SELECT k.key FROM (
            SELECT o.key FROM unnest(tenant.own) AS o (key)
            UNION SELECT c.key FROM jsonb_object_keys(changes) AS c (key) WHERE v_defaults ? c.key) AS k
        WHERE (changes -> k.key = '"inherit"') IS NOT TRUE
          AND NOT (k.key = 'burst' AND (changes -> 'burst' = 'null' OR changes ? 'rate' AND NOT changes ? 'burst'))
        ORDER BY k.key);
    v_values := (v_defaults || v_plan) - tenant.own || (
        SELECT coalesce(jsonb_object_agg(c.key, c.value), '{}') FROM jsonb_each(changes - 'plan') AS c (key, value)
        WHERE c.value <> '"inherit"');

    FOR v_key, v_value IN SELECT * FROM jsonb_each(v_values) LOOP
        CASE v_key
            WHEN 'daily' THEN tenant.daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'monthly' THEN tenant.monthly_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'rate' THEN tenant.rate := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'burst' THEN tenant.burst := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'bytes_daily' THEN tenant.bytes_daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'first_time_daily' THEN
                tenant.first_time_daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'shadow_daily' THEN tenant.shadow_daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'shadow_monthly' THEN tenant.shadow_monthly_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'shadow_bytes_daily' THEN
                tenant.shadow_bytes_daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'shadow_first_time_daily' THEN
                tenant.shadow_first_time_daily_cap := gatepost.limit_value(v_key, v_value, v_most, true);
            WHEN 'message_size' THEN
                tenant.message_size := gatepost.limit_value(v_key, v_value, 268435456, false, 1024);
            WHEN 'recipients_per_message' THEN
                tenant.recipients_per_message := gatepost.limit_value(v_key, v_value, 100000, false);
            WHEN 'sessions' THEN tenant.sessions := gatepost.limit_value(v_key, v_value, 1000000, true);
            WHEN 'window' THEN
                IF v_value NOT IN ('"day"', '"rolling"') THEN
                    RAISE EXCEPTION 'window cannot be %', v_value USING ERRCODE = 'GP004', HINT = 'day or rolling.';
                END IF;
                tenant.daily_window := v_value #>> '{}';
            WHEN 'policy' THEN
                IF v_value NOT IN ('"defer"', '"reject"') THEN
                    RAISE EXCEPTION 'policy cannot be %', v_value USING ERRCODE = 'GP004', HINT = 'defer or reject.';
                END IF;
                tenant.policy := v_value #>> '{}';
            WHEN 'partial', 'resubmission', 'null_sender', 'foreign_names' THEN
                IF jsonb_typeof(v_value) <> 'boolean' THEN
                    RAISE EXCEPTION '% cannot be %', v_key, v_value USING ERRCODE = 'GP004', HINT = 'true or false.';
                END IF;
                CASE v_key
                    WHEN 'partial' THEN tenant.partial := v_value::boolean;
                    WHEN 'resubmission' THEN tenant.resubmission := v_value::boolean;
                    WHEN 'null_sender' THEN tenant.null_sender := v_value::boolean;
                    ELSE tenant.foreign_names := v_value::boolean;
                END CASE;
            WHEN 'warn' THEN
                IF jsonb_typeof(v_value) <> 'array' OR EXISTS (
                    SELECT FROM jsonb_array_elements(v_value) e
                    WHERE jsonb_typeof(e) <> 'number' OR e #>> '{}' !~ '^([1-9][0-9]?|100)$')
                THEN
                    RAISE EXCEPTION 'warn cannot be %', v_value USING ERRCODE = 'GP004',
                        HINT = 'Percents from 1 to 100.';
                END IF;
                tenant.warn_percents := ARRAY(SELECT DISTINCT e::int FROM jsonb_array_elements_text(v_value) e
                                              ORDER BY 1);
            WHEN 'zone' THEN
                -- (Not what is another zone on another machine.)
                IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = v_value #>> '{}')
                    OR v_value #>> '{}' ~ '^(localtime$|posix)'
                THEN
                    RAISE EXCEPTION 'no time zone %', v_value USING ERRCODE = 'GP004',
                        HINT = 'An IANA name, like Europe/Brussels.';
                END IF;
                tenant.zone := v_value #>> '{}';
            WHEN 'pool' THEN
                tenant.pool_id := (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = v_value #>> '{}');
                IF tenant.pool_id IS NULL THEN
                    RAISE EXCEPTION 'no relay pool %', v_value USING ERRCODE = 'GP002', HINT = 'gatepost pool list';
                END IF;
            WHEN 'contact' THEN
                IF v_value <> 'null' AND (jsonb_typeof(v_value) <> 'string'
                    OR v_value #>> '{}' !~ '^[^[:cntrl:][:space:]]+@[^[:cntrl:][:space:]@]+$'
                    OR length(v_value #>> '{}') > 254)
                THEN
                    RAISE EXCEPTION 'contact cannot be %', v_value USING ERRCODE = 'GP004',
                        HINT = 'An address, like ops@acme.example.';
                END IF;
                tenant.contact := v_value #>> '{}';
            ELSE
                RAISE EXCEPTION 'no such limit: %', v_key USING ERRCODE = 'GP004',
                    HINT = 'plan, zone, pool, contact, '
                        || (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(v_defaults) AS k);
        END CASE;
    END LOOP;

    IF NOT 'burst' = ANY (tenant.own) THEN
        tenant.burst := CASE WHEN 'rate' = ANY (tenant.own) OR v_plan -> 'burst' IS NULL OR v_plan -> 'burst' = 'null'
                             THEN tenant.rate ELSE tenant.burst END;
    ELSIF tenant.rate IS NULL AND changes ? 'burst' THEN
        RAISE EXCEPTION 'a burst needs a rate' USING ERRCODE = 'GP004';
    END IF;
    IF tenant.rate IS NULL THEN
        -- The rate it belonged to is gone.
        tenant.burst := NULL;
        tenant.own := array_remove(tenant.own, 'burst');
    END IF;
    RETURN tenant;
END
$$;

ALTER FUNCTION gatepost.tenant_changed(gatepost.tenant, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.tenant_changed(gatepost.tenant, jsonb) FROM PUBLIC;
