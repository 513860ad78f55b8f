-- admin.tenant_export: what is held on a tenant, for audits, a page of one part at a time. Deleted tenants too.
--   In     slug; part: 'credentials', 'limits' (the present ones and those gone by), 'usage', 'usage_domains',
--          'outcomes', 'warnings', 'suppressions', 'report_logins', 'ledger', 'messages', 'recipients', 'events',
--          'audit'; after: the last key of the page before, '{}' to begin; at most so many rows
--   Out    by key: each row as JSON. No secret, no verifier, no body
--   Raises GP002 there never was such a tenant; GP004 no such part
--   Locks  none.    Repeat  the same.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.tenant_export(slug text, part text, after text[], at_most int)
RETURNS TABLE (key text[], line jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- the page begins at its key, not at the first row
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := (SELECT t.id FROM gatepost.tenant t WHERE t.slug = tenant_export.slug);
    v_begins boolean := tenant_export.after = '{}';
BEGIN
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no tenant "%"', tenant_export.slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    END IF;
    CASE tenant_export.part
        WHEN 'credentials' THEN RETURN QUERY
            SELECT ARRAY[c.id::text], to_jsonb(c) - 'tenant_id' || jsonb_build_object('logins', (
                SELECT coalesce(jsonb_agg(jsonb_build_object('name', l.name, 'valid_until', l.valid_until,
                    'created_at', l.created_at, 'certificate', encode(l.certificate, 'hex')) ORDER BY l.id), '[]')
                FROM gatepost.login l WHERE l.tenant_id = c.tenant_id AND l.credential_id = c.id))
            FROM gatepost.credential c
            WHERE c.tenant_id = v_id AND (v_begins OR c.id > after[1]::bigint) ORDER BY c.id LIMIT at_most;
        WHEN 'limits' THEN RETURN QUERY
            SELECT ARRAY[h.credential_id::text, h.at::text], to_jsonb(h) - 'tenant_id' FROM gatepost.limit_history h
            WHERE h.tenant_id = v_id
              AND (v_begins OR (h.credential_id, h.at) > (after[1]::bigint, after[2]::timestamptz))
            ORDER BY h.credential_id, h.at LIMIT at_most;
        WHEN 'usage' THEN RETURN QUERY
            SELECT ARRAY[u.credential_id::text, u.period, u.starts::text], to_jsonb(u) - 'tenant_id'
            FROM gatepost.usage u
            WHERE u.tenant_id = v_id AND (v_begins
                OR (u.credential_id, u.period, u.starts) > (after[1]::bigint, after[2], after[3]::date))
            ORDER BY u.credential_id, u.period, u.starts LIMIT at_most;
        WHEN 'usage_domains' THEN RETURN QUERY
            SELECT ARRAY[u.domain, u.starts::text], to_jsonb(u) - 'tenant_id'
            FROM gatepost.usage_domain u
            WHERE u.tenant_id = v_id AND (v_begins OR (u.domain, u.starts) > (after[1], after[2]::date))
            ORDER BY u.domain, u.starts LIMIT at_most;
        WHEN 'outcomes' THEN RETURN QUERY
            SELECT ARRAY[o.starts::text], to_jsonb(o) - 'tenant_id' FROM gatepost.outcome_hour o
            WHERE o.tenant_id = v_id AND (v_begins OR o.starts > after[1]::timestamptz) ORDER BY o.starts LIMIT at_most;
        WHEN 'warnings' THEN RETURN QUERY
            SELECT ARRAY[w.credential_id::text, w.limit_name, w.starts::text, w.percent::text],
                   to_jsonb(w) - 'tenant_id'
            FROM gatepost.warning w
            WHERE w.tenant_id = v_id AND (v_begins OR (w.credential_id, w.limit_name, w.starts, w.percent)
                > (after[1]::bigint, after[2], after[3]::date, after[4]::int))
            ORDER BY w.credential_id, w.limit_name, w.starts, w.percent LIMIT at_most;
        WHEN 'suppressions' THEN RETURN QUERY
            SELECT ARRAY[s.address], to_jsonb(s) - 'tenant_id' FROM gatepost.suppression s
            WHERE s.tenant_id = v_id AND (v_begins OR s.address > after[1]) ORDER BY s.address LIMIT at_most;
        WHEN 'report_logins' THEN RETURN QUERY
            SELECT ARRAY[l.role::text], to_jsonb(l) - 'tenant_id' FROM gatepost.report_login l
            WHERE l.tenant_id = v_id AND (v_begins OR l.role > after[1]::name) ORDER BY l.role LIMIT at_most;
        WHEN 'ledger' THEN RETURN QUERY
            SELECT ARRAY[l.message_id::text, l.entry::text], to_jsonb(l) - 'tenant_id'
            FROM gatepost.ledger l
            WHERE l.tenant_id = v_id AND (v_begins OR (l.message_id, l.entry) > (after[1]::uuid, after[2]::int))
            ORDER BY l.message_id, l.entry LIMIT at_most;
        WHEN 'messages' THEN RETURN QUERY
            SELECT ARRAY[m.id::text], m.line FROM (
                (SELECT q.id, to_jsonb(q) - 'tenant_id' - 'xid' AS line FROM gatepost.message q
                 WHERE q.tenant_id = v_id AND (v_begins OR q.id > after[1]::uuid) ORDER BY q.id LIMIT at_most)
                UNION ALL
                (SELECT q.id, to_jsonb(q) - 'tenant_id' - 'xid' FROM gatepost.message_straggler q
                 WHERE q.tenant_id = v_id AND (v_begins OR q.id > after[1]::uuid) ORDER BY q.id LIMIT at_most)) AS m
            ORDER BY m.id LIMIT at_most;
        WHEN 'recipients' THEN RETURN QUERY
            SELECT ARRAY[m.message_id::text, m.number::text], m.line FROM (
                (SELECT q.message_id, q.number, to_jsonb(q) - 'tenant_id' - 'owner_id' AS line FROM gatepost.recipient q
                 WHERE q.tenant_id = v_id
                   AND (v_begins OR (q.message_id, q.number) > (after[1]::uuid, after[2]::int))
                 ORDER BY q.message_id, q.number LIMIT at_most)
                UNION ALL
                (SELECT q.message_id, q.number, to_jsonb(q) - 'tenant_id' - 'owner_id'
                 FROM gatepost.recipient_straggler q
                 WHERE q.tenant_id = v_id
                   AND (v_begins OR (q.message_id, q.number) > (after[1]::uuid, after[2]::int))
                 ORDER BY q.message_id, q.number LIMIT at_most)) AS m
            ORDER BY m.message_id, m.number LIMIT at_most;
        WHEN 'events' THEN RETURN QUERY
            SELECT ARRAY[e.id::text], to_jsonb(e) - 'tenant_id' - 'xid' FROM gatepost.event e
            WHERE e.tenant_id = v_id AND (v_begins OR e.id > after[1]::uuid) ORDER BY e.id LIMIT at_most;
        WHEN 'audit' THEN RETURN QUERY
            SELECT ARRAY[a.id::text], to_jsonb(a) - 'tenant_id' FROM gatepost.audit a
            WHERE a.tenant_id = v_id AND (v_begins OR a.id > after[1]::bigint) ORDER BY a.id LIMIT at_most;
        ELSE
            RAISE EXCEPTION 'no part "%"', tenant_export.part USING ERRCODE = 'GP004';
    END CASE;
END
$$;

ALTER FUNCTION admin.tenant_export(text, text, text[], int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_export(text, text, text[], int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_export(text, text, text[], int) TO gatepost_admin, gatepost_viewer;
