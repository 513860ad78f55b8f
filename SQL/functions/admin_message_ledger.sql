-- admin.message_ledger: what a message was charged and refunded, also long after the message itself is gone.
--   In     id.    Out  by tenant and entry; no row: nobody was charged for it. tenant_status: a deleted tenant's too.
--          of a debit, where the counters stood with it, by the ledger: day_used, month_used (recipients), day_bytes,
--          credential_day_used; and the limits in force then: limits the tenant's, null: not known that far back;
--          credential_limits its own, null: it had none, or it is not known (as gatepost.limit_history has them)
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
DROP FUNCTION IF EXISTS admin.message_ledger(uuid);
CREATE OR REPLACE FUNCTION admin.message_ledger(id uuid) RETURNS TABLE (
    tenant text, tenant_status text, credential text, entry int, day date, month date, recipients bigint, bytes bigint,
    reason text, at timestamptz, day_used bigint, month_used bigint, day_bytes bigint, credential_day_used bigint,
    limits jsonb, credential_limits jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    -- Whose it is, by what is kept for a while; else by one look-up for each tenant, for the key begins with it.
    v_tenant bigint := coalesce(
        (SELECT m.tenant_id FROM gatepost.message m WHERE m.id = message_ledger.id LIMIT 1),
        (SELECT m.tenant_id FROM gatepost.message_straggler m WHERE m.id = message_ledger.id LIMIT 1),
        (SELECT e.tenant_id FROM gatepost.event e WHERE e.message_id = message_ledger.id LIMIT 1));
BEGIN
    RETURN QUERY
        SELECT t.slug, t.status, c.name, l.entry, l.day, l.month, l.recipients, l.bytes, l.reason, l.at,
               u.day_used, u.month_used, u.day_bytes, u.credential_day_used, h.limits, ch.limits
        FROM gatepost.tenant t
        CROSS JOIN LATERAL (
            SELECT l.* FROM gatepost.ledger l WHERE l.tenant_id = t.id AND l.message_id = message_ledger.id OFFSET 0
        ) AS l
        LEFT JOIN LATERAL (
            -- (A local month begins 14 hours before UTC's at the most, and ids are a minute off at the most.)
            SELECT sum(x.recipients) FILTER (WHERE x.day = l.day)::bigint AS day_used,
                   sum(x.recipients)::bigint AS month_used,
                   sum(x.bytes) FILTER (WHERE x.day = l.day)::bigint AS day_bytes,
                   sum(x.recipients) FILTER (WHERE x.day = l.day AND x.credential_id = l.credential_id)::bigint
                       AS credential_day_used
            FROM gatepost.ledger x
            WHERE x.tenant_id = l.tenant_id
              AND x.message_id >= gatepost.uuid_floor(l.month::timestamp AT TIME ZONE 'UTC' - interval '15 hours')
              AND x.message_id < gatepost.uuid_floor(l.at + interval '3 minutes')
              AND x.month = l.month AND (x.at < l.at OR x.at = l.at AND x.message_id <= l.message_id)
        ) AS u ON l.entry = 0
        LEFT JOIN LATERAL (
            SELECT h.limits FROM gatepost.limit_history h
            WHERE h.tenant_id = l.tenant_id AND h.credential_id = 0 AND h.at <= l.at ORDER BY h.at DESC LIMIT 1
        ) AS h ON l.entry = 0
        LEFT JOIN LATERAL (
            SELECT h.limits FROM gatepost.limit_history h
            WHERE h.tenant_id = l.tenant_id AND h.credential_id = l.credential_id AND h.at <= l.at
            ORDER BY h.at DESC LIMIT 1
        ) AS ch ON l.entry = 0
        LEFT JOIN gatepost.credential c ON c.tenant_id = t.id AND c.id = l.credential_id
        WHERE v_tenant IS NULL OR t.id = v_tenant
        ORDER BY t.id, l.entry;
END
$$;

ALTER FUNCTION admin.message_ledger(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.message_ledger(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.message_ledger(uuid) TO gatepost_admin, gatepost_viewer;
