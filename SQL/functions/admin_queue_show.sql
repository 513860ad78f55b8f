-- admin.queue_show: one message, a row per recipient.
--   In     id.    Out  no row: nobody has it. reply: the remote's last words, raw. marked: cancelled while under way
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin,
--          gatepost_viewer
CREATE OR REPLACE FUNCTION admin.queue_show(id uuid) RETURNS TABLE (
    tenant text, credential text, message_state text, kind text, size bigint, sender text, from_domain text,
    message_id_header text, client text, helo bytea, accepted_at timestamptz, body_stored boolean,
    number int, address text, state text, marked boolean, leased boolean, attempts int, next_attempt timestamptz,
    last_attempt timestamptz, final_at timestamptz, reply_code int, reply_enhanced text, reply bytea
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH found AS MATERIALIZED (
            SELECT * FROM gatepost.message m WHERE m.id = queue_show.id
            UNION ALL SELECT * FROM gatepost.message_straggler m WHERE m.id = queue_show.id
        ), lines AS MATERIALIZED (
            SELECT r.* FROM found m JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
            UNION ALL
            SELECT r.* FROM found m JOIN gatepost.recipient_straggler r ON r.tenant_id = m.tenant_id
                AND r.message_id = m.id
        )
        SELECT t.slug, c.name,
               CASE WHEN (SELECT bool_or(l.state = 'deferred') FROM lines l) THEN 'deferred'
                    WHEN (SELECT bool_or(l.state = 'queued') FROM lines l) THEN 'queued'
                    WHEN (SELECT bool_or(l.state = 'bounced') FROM lines l) THEN 'bounced'
                    WHEN (SELECT bool_or(l.state = 'cancelled') FROM lines l) THEN 'cancelled'
                    ELSE 'delivered' END,
               m.kind, m.size, m.sender, m.from_domain, m.message_id_header, host(m.client), m.helo, m.accepted_at,
               EXISTS (SELECT FROM gatepost.body b WHERE b.tenant_id = m.tenant_id AND b.message_id = m.id)
               OR EXISTS (SELECT FROM gatepost.body_straggler b
                   WHERE b.tenant_id = m.tenant_id AND b.message_id = m.id),
               r.number, r.address, r.state, r.mark IS NOT NULL AND r.state IN ('queued', 'deferred'),
               r.owner_id IS NOT NULL, r.attempts,
               CASE WHEN r.state IN ('queued', 'deferred') THEN r.next_attempt END, r.last_attempt, r.final_at,
               r.reply_code, r.reply_enhanced, r.reply
        FROM found m
        JOIN lines r ON true
        LEFT JOIN gatepost.tenant t ON t.id = m.tenant_id
        LEFT JOIN gatepost.credential c ON c.tenant_id = m.tenant_id AND c.id = m.credential_id
        ORDER BY r.number;
END
$$;

ALTER FUNCTION admin.queue_show(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.queue_show(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.queue_show(uuid) TO gatepost_admin, gatepost_viewer;
