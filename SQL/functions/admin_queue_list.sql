-- admin.queue_list: messages, newest last, a page at a time.
--   In     slug or null for every tenant; everything: all that is stored, else those with a queued or deferred
--          recipient; at_most rows; after: the last id of the page before, null to begin
--   Out    state: 'deferred' if any recipient is, else 'queued', else 'bounced', 'cancelled', 'delivered'. live:
--          recipients still queued or deferred; next_attempt: the earliest of theirs
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin,
--          gatepost_viewer
CREATE OR REPLACE FUNCTION admin.queue_list(slug text, everything boolean, at_most int, after uuid)
RETURNS TABLE (
    id uuid, tenant text, credential text, state text, recipients int, live int, size bigint, sender text,
    accepted_at timestamptz, next_attempt timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_tenant bigint := CASE WHEN queue_list.slug IS NOT NULL THEN gatepost.tenant_id(queue_list.slug) END;
    v_after uuid := coalesce(queue_list.after, '00000000-0000-0000-0000-000000000000');
BEGIN
    RETURN QUERY
        WITH page AS MATERIALIZED (
            SELECT p.tenant_id, p.id FROM (
                SELECT m.tenant_id, m.id FROM gatepost.message m WHERE everything AND m.id > v_after
                UNION ALL
                SELECT m.tenant_id, m.id FROM gatepost.message_straggler m WHERE everything AND m.id > v_after
                UNION ALL
                -- A live recipient is free or leased: there is an index for each.
                (SELECT r.tenant_id, r.message_id FROM gatepost.recipient r
                 WHERE NOT everything AND r.owner_id IS NULL AND r.state IN ('queued', 'deferred')
                   AND r.message_id > v_after
                 UNION
                 SELECT r.tenant_id, r.message_id FROM gatepost.recipient r
                 WHERE NOT everything AND r.owner_id IS NOT NULL AND r.message_id > v_after
                 UNION
                 SELECT r.tenant_id, r.message_id FROM gatepost.recipient_straggler r
                 WHERE NOT everything AND r.state IN ('queued', 'deferred') AND r.message_id > v_after)
            ) AS p
            WHERE v_tenant IS NULL OR p.tenant_id = v_tenant
            ORDER BY p.id LIMIT at_most
        )
        SELECT p.id, t.slug, c.name,
               CASE WHEN s.deferred > 0 THEN 'deferred' WHEN s.queued > 0 THEN 'queued'
                    WHEN s.bounced > 0 THEN 'bounced' WHEN s.cancelled > 0 THEN 'cancelled' ELSE 'delivered' END,
               m.recipients, (s.queued + s.deferred)::int, m.size, m.sender, m.accepted_at, s.next_attempt
        FROM page p
        JOIN LATERAL (
            SELECT * FROM gatepost.message m WHERE m.tenant_id = p.tenant_id AND m.id = p.id
            UNION ALL SELECT * FROM gatepost.message_straggler m
                WHERE m.tenant_id = p.tenant_id AND m.id = p.id) AS m ON true
        JOIN LATERAL (
            SELECT count(*) FILTER (WHERE r.state = 'queued') AS queued,
                   count(*) FILTER (WHERE r.state = 'deferred') AS deferred,
                   count(*) FILTER (WHERE r.state = 'bounced') AS bounced,
                   count(*) FILTER (WHERE r.state = 'cancelled') AS cancelled,
                   min(r.next_attempt) FILTER (WHERE r.state IN ('queued', 'deferred')) AS next_attempt
            FROM (SELECT r.state, r.next_attempt FROM gatepost.recipient r
                  WHERE r.tenant_id = p.tenant_id AND r.message_id = p.id
                  UNION ALL
                  SELECT r.state, r.next_attempt FROM gatepost.recipient_straggler r
                  WHERE r.tenant_id = p.tenant_id AND r.message_id = p.id) AS r) AS s ON true
        LEFT JOIN gatepost.tenant t ON t.id = p.tenant_id
        LEFT JOIN gatepost.credential c ON c.tenant_id = p.tenant_id AND c.id = m.credential_id
        ORDER BY p.id;
END
$$;

ALTER FUNCTION admin.queue_list(text, boolean, int, uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.queue_list(text, boolean, int, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.queue_list(text, boolean, int, uuid) TO gatepost_admin, gatepost_viewer;
