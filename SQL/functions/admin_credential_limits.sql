-- admin.credential_limits: a credential's limits and its tenant's, and where each comes from.
--   In     name of the credential
--   Out    a row for each limit, in the order of the documentation: own and tenant_value, null: unlimited; tenant_from:
--          'tenant', 'plan NAME' or 'default'; in_force: the less of both; used: by the credential, this local day or
--          month, null where nothing is counted. Recipients, octets, sessions.
--   Raises GP002 no such credential.    Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
DROP FUNCTION IF EXISTS admin.credential_limits(text);

CREATE OR REPLACE FUNCTION admin.credential_limits(name text)
RETURNS TABLE (limit_name text, own bigint, tenant_value bigint, tenant_from text, in_force bigint, used bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_credential gatepost.credential := gatepost.credential_named(credential_limits.name);
    v_now timestamptz := ledger.clock();
    v_day date := (v_now AT TIME ZONE (SELECT CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END
                                       FROM gatepost.tenant t WHERE t.id = v_credential.tenant_id))::date;
    v_recipients bigint;
    v_bytes bigint;
    v_month bigint;
BEGIN
    -- A credential's month is the sum of its days; in test mode it is counted apart.
    SELECT coalesce(sum(u.recipients) FILTER (WHERE u.starts = v_day), 0),
           coalesce(sum(u.bytes) FILTER (WHERE u.starts = v_day), 0), coalesce(sum(u.recipients), 0)
    INTO v_recipients, v_bytes, v_month
    FROM gatepost.usage u
    WHERE u.tenant_id = v_credential.tenant_id AND u.credential_id = v_credential.id
      AND u.period = CASE v_credential.mode WHEN 'test' THEN 'test' ELSE 'day' END
      AND u.starts BETWEEN date_trunc('month', v_day)::date
                       AND (date_trunc('month', v_day) + interval '1 month - 1 day')::date;
    RETURN QUERY
    SELECT n.limit_name, n.own, n.tenant_value,
           CASE WHEN n.limit_name = ANY (t.own) THEN 'tenant'
                -- (A burst that is given nowhere is the rate's, and comes from where that does: tenant, else plan.)
                WHEN n.limit_name = 'burst' AND 'rate' = ANY (t.own) THEN 'tenant'
                WHEN p.limits ? n.limit_name OR n.limit_name = 'burst' AND p.limits ? 'rate' THEN 'plan ' || p.name
                ELSE 'default' END,
           least(n.own, n.tenant_value),
           CASE n.limit_name WHEN 'daily' THEN v_recipients WHEN 'monthly' THEN v_month
                             WHEN 'bytes_daily' THEN v_bytes END
    FROM gatepost.tenant t
    LEFT JOIN gatepost.plan p ON p.id = t.plan_id
    CROSS JOIN LATERAL (VALUES
        (1, 'daily', v_credential.daily_cap, t.daily_cap),
        (2, 'monthly', v_credential.monthly_cap, t.monthly_cap),
        (3, 'rate', v_credential.rate, t.rate),
        (4, 'burst', v_credential.burst, t.burst),
        (5, 'bytes_daily', v_credential.bytes_daily_cap, t.bytes_daily_cap),
        (6, 'message_size', v_credential.message_size, t.message_size),
        (7, 'recipients_per_message', v_credential.recipients_per_message::bigint, t.recipients_per_message::bigint),
        (8, 'sessions', v_credential.sessions::bigint, t.sessions::bigint)
    ) AS n (number, limit_name, own, tenant_value)
    WHERE t.id = v_credential.tenant_id
    ORDER BY n.number;
END
$$;

ALTER FUNCTION admin.credential_limits(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_limits(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_limits(text) TO gatepost_admin, gatepost_viewer;
