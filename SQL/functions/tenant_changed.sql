-- gatepost.tenant_changed: a tenant's row with changes applied, every value checked. Writes nothing.
--   In     the row as it is; changes as in admin.tenant_set (and zone, which only admin.tenant_create takes at once)
--   Raises GP002 no such pool; GP004 an unknown key or a value that cannot be.    Locks  none
--   Role   none; admin.tenant_create and admin.tenant_set use it
CREATE OR REPLACE FUNCTION gatepost.tenant_changed(tenant gatepost.tenant, changes jsonb) RETURNS gatepost.tenant
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key text;
    v_value jsonb;
BEGIN
    IF jsonb_typeof(changes) <> 'object' THEN
        RAISE EXCEPTION 'changes must be an object' USING ERRCODE = 'GP004';
    END IF;
    FOR v_key, v_value IN SELECT * FROM jsonb_each(changes) LOOP
        CASE v_key
            WHEN 'daily' THEN tenant.daily_cap := gatepost.limit_value(v_key, v_value, 999999999999999999, true);
            WHEN 'monthly' THEN tenant.monthly_cap := gatepost.limit_value(v_key, v_value, 999999999999999999, true);
            WHEN 'rate' THEN tenant.rate := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'burst' THEN tenant.burst := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'message_size' THEN
                tenant.message_size := gatepost.limit_value(v_key, v_value, 268435456, false);
                IF tenant.message_size < 1024 THEN
                    RAISE EXCEPTION 'message_size cannot be %', v_value USING ERRCODE = 'GP004',
                        HINT = 'At least 1024 octets.';
                END IF;
            WHEN 'recipients_per_message' THEN
                tenant.recipients_per_message := gatepost.limit_value(v_key, v_value, 100000, false);
            WHEN 'sessions' THEN tenant.sessions := gatepost.limit_value(v_key, v_value, 1000000, true);
            WHEN 'policy' THEN
                IF v_value NOT IN ('"defer"', '"reject"') THEN
                    RAISE EXCEPTION 'policy cannot be %', v_value USING ERRCODE = 'GP004', HINT = 'defer or reject.';
                END IF;
                tenant.policy := v_value #>> '{}';
            WHEN 'partial', 'resubmission', 'null_sender' THEN
                IF jsonb_typeof(v_value) <> 'boolean' THEN
                    RAISE EXCEPTION '% cannot be %', v_key, v_value USING ERRCODE = 'GP004', HINT = 'true or false.';
                END IF;
                CASE v_key
                    WHEN 'partial' THEN tenant.partial := v_value::boolean;
                    WHEN 'resubmission' THEN tenant.resubmission := v_value::boolean;
                    ELSE tenant.null_sender := v_value::boolean;
                END CASE;
            WHEN 'warn' THEN
                IF jsonb_typeof(v_value) <> 'array' OR EXISTS (
                    SELECT FROM jsonb_array_elements(v_value) e
                    WHERE e #>> '{}' !~ '^[0-9]{1,2}$' OR e #>> '{}' = '0' OR jsonb_typeof(e) <> 'number')
                THEN
                    RAISE EXCEPTION 'warn cannot be %', v_value USING ERRCODE = 'GP004',
                        HINT = 'Percents from 1 to 99.';
                END IF;
                tenant.warn_percents := ARRAY(SELECT DISTINCT e::int FROM jsonb_array_elements_text(v_value) e
                                              ORDER BY 1);
            WHEN 'zone' THEN
                IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = v_value #>> '{}') THEN
                    RAISE EXCEPTION 'no time zone %', v_value USING ERRCODE = 'GP004',
                        HINT = 'An IANA name, like Europe/Brussels.';
                END IF;
                tenant.zone := v_value #>> '{}';
            WHEN 'pool' THEN
                tenant.pool_id := (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = v_value #>> '{}');
                IF tenant.pool_id IS NULL THEN
                    RAISE EXCEPTION 'no relay pool %', v_value USING ERRCODE = 'GP002', HINT = 'gatepost pool list';
                END IF;
            ELSE
                RAISE EXCEPTION 'no such limit: %', v_key USING ERRCODE = 'GP004',
                    HINT = 'daily, monthly, rate, burst, message_size, recipients_per_message, sessions, zone, policy, '
                           'partial, resubmission, null_sender, warn, pool';
        END CASE;
    END LOOP;
    IF changes ? 'rate' AND (changes -> 'burst' = 'null' OR NOT changes ? 'burst') THEN
        tenant.burst := tenant.rate;
    ELSIF changes -> 'burst' = 'null' THEN
        tenant.burst := tenant.rate;
    END IF;
    IF tenant.rate IS NULL AND tenant.burst IS NOT NULL THEN
        RAISE EXCEPTION 'a burst needs a rate' USING ERRCODE = 'GP004';
    END IF;
    RETURN tenant;
END
$$;

ALTER FUNCTION gatepost.tenant_changed(gatepost.tenant, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.tenant_changed(gatepost.tenant, jsonb) FROM PUBLIC;
