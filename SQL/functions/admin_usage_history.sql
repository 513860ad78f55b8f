-- admin.usage_history: what a tenant used, by local day or month. From the counters and settle's rollup alone: neither
-- messages nor events are read.
--   In     slug; per 'day' | 'month'; since, until: local days, both included, null: no end; split 'tenant' |
--          'credential' | 'domain' (the From field's); only_name: that credential or domain, null: all
--   Out    by day, then name. cap: the limit in force now (the tenant's, or the credential's), null: unlimited.
--          delivered, deferred, bounced: attempts that ended so in that time, of the whole tenant, null with a split.
--          would_refuse: recipients that a proposed cap would have refused. test: held (test), counted apart.
--   Raises GP002 no such tenant; GP004 another word for per or split.    Locks  none.    Repeat  harmless
--   Role   gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.usage_history(
    slug text, per text, since date, until date, split text, only_name text
) RETURNS TABLE (
    starts date, name text, recipients bigint, messages bigint, bytes bigint, cap bigint, first_time bigint,
    would_refuse bigint, test bigint, delivered bigint, deferred bigint, bounced bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_tenant gatepost.tenant;
    v_zone text;
    v_since date := coalesce(since, '2000-01-01');
    v_until date := coalesce(until, '9999-12-31');
BEGIN
    IF per NOT IN ('day', 'month') OR split NOT IN ('tenant', 'credential', 'domain') THEN
        RAISE EXCEPTION 'admin.usage_history: by day or month, of tenant, credential or domain' USING ERRCODE = 'GP004';
    END IF;
    SELECT t.* INTO v_tenant FROM gatepost.tenant t WHERE t.id = gatepost.tenant_id(usage_history.slug);
    v_zone := CASE WHEN v_tenant.next_zone_from <= v_now THEN v_tenant.next_zone ELSE v_tenant.zone END;
    IF per = 'month' THEN
        v_since := date_trunc('month', v_since)::date;
        v_until := least('9999-12-01', (date_trunc('month', v_until) + interval '1 month' - interval '1 day')::date);
    END IF;

    IF split = 'tenant' THEN
        RETURN QUERY
            SELECT coalesce(u.starts, o.starts), NULL::text, coalesce(u.recipients, 0)::bigint,
                   coalesce(u.messages, 0)::bigint, coalesce(u.bytes, 0)::bigint,
                   CASE per WHEN 'day' THEN v_tenant.daily_cap ELSE v_tenant.monthly_cap END,
                   coalesce(u.first_time, 0)::bigint, coalesce(u.would_refuse, 0)::bigint, coalesce(u.test, 0)::bigint,
                   coalesce(o.delivered, 0)::bigint, coalesce(o.deferred, 0)::bigint, coalesce(o.bounced, 0)::bigint
            FROM (
                SELECT date_trunc(per, x.starts)::date AS starts,
                       sum(x.recipients) FILTER (WHERE x.period = per) AS recipients,
                       sum(x.messages) FILTER (WHERE x.period = per) AS messages,
                       sum(x.bytes) FILTER (WHERE x.period = per) AS bytes,
                       sum(x.first_time) FILTER (WHERE x.period = 'day') AS first_time,
                       sum(x.shadow_recipients) FILTER (WHERE x.period = 'day') AS would_refuse,
                       sum(x.recipients) FILTER (WHERE x.period = 'test') AS test
                FROM (VALUES ('day'), ('month'), ('test')) AS p (period)
                CROSS JOIN LATERAL (
                    SELECT u.* FROM gatepost.usage u
                    WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = p.period
                      AND u.starts BETWEEN v_since AND v_until AND (p.period <> 'month' OR per = 'month')
                    OFFSET 0) AS x
                GROUP BY 1
            ) AS u
            FULL JOIN (
                SELECT date_trunc(per, h.starts AT TIME ZONE v_zone)::date AS starts, sum(h.delivered) AS delivered,
                       sum(h.deferred) AS deferred, sum(h.bounced) AS bounced
                FROM gatepost.outcome_hour h
                WHERE h.tenant_id = v_tenant.id AND h.starts >= v_since::timestamp AT TIME ZONE v_zone
                  AND h.starts < (v_until + 1)::timestamp AT TIME ZONE v_zone
                GROUP BY 1
            ) AS o ON o.starts = u.starts
            ORDER BY 1;
    ELSIF split = 'credential' THEN
        IF only_name IS NOT NULL
            AND NOT EXISTS (SELECT FROM gatepost.credential c WHERE c.tenant_id = v_tenant.id AND c.name = only_name)
        THEN
            RAISE EXCEPTION 'no credential "%" of tenant "%"', only_name, slug USING ERRCODE = 'GP002';
        END IF;
        RETURN QUERY
            SELECT x.starts, c.name, x.recipients, x.messages, x.bytes,
                   CASE per WHEN 'day' THEN c.daily_cap ELSE c.monthly_cap END, x.first_time, x.would_refuse, x.test,
                   NULL::bigint, NULL::bigint, NULL::bigint
            FROM gatepost.credential c
            CROSS JOIN LATERAL (
                SELECT date_trunc(per, u.starts)::date AS starts,
                       coalesce(sum(u.recipients) FILTER (WHERE u.period = 'day'), 0)::bigint AS recipients,
                       coalesce(sum(u.messages) FILTER (WHERE u.period = 'day'), 0)::bigint AS messages,
                       coalesce(sum(u.bytes) FILTER (WHERE u.period = 'day'), 0)::bigint AS bytes,
                       coalesce(sum(u.first_time) FILTER (WHERE u.period = 'day'), 0)::bigint AS first_time,
                       coalesce(sum(u.shadow_recipients) FILTER (WHERE u.period = 'day'), 0)::bigint AS would_refuse,
                       coalesce(sum(u.recipients) FILTER (WHERE u.period = 'test'), 0)::bigint AS test
                FROM gatepost.usage u
                WHERE u.tenant_id = c.tenant_id AND u.credential_id = c.id AND u.period = ANY ('{day,test}')
                  AND u.starts BETWEEN v_since AND v_until
                GROUP BY 1) AS x
            WHERE c.tenant_id = v_tenant.id AND (only_name IS NULL OR c.name = only_name)
            ORDER BY 1, 2;
    ELSE
        RETURN QUERY
            SELECT date_trunc(per, u.starts)::date, u.domain, sum(u.recipients)::bigint, sum(u.messages)::bigint,
                   sum(u.bytes)::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
                   NULL::bigint, NULL::bigint
            FROM gatepost.usage_domain u
            WHERE u.tenant_id = v_tenant.id AND (only_name IS NULL OR u.domain = only_name)
              AND u.starts BETWEEN v_since AND v_until
            GROUP BY 1, 2 ORDER BY 1, 2;
    END IF;
END
$$;

ALTER FUNCTION admin.usage_history(text, text, date, date, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.usage_history(text, text, date, date, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.usage_history(text, text, date, date, text, text) TO gatepost_admin, gatepost_viewer;
