-- gatepost.refund: give recipients back to the day, month, credential and sender domain that paid for them.
--          The nodes hear of it.
--   In     parallel arrays, a message each, none twice: how many of its recipients were cancelled; reason; at
--   Locks  nothing itself: the caller holds the meters.    Repeat  refunds again: call it for what was cancelled just
--          now
--   Role   none; cancel and upkeep_cancelled use it
CREATE OR REPLACE FUNCTION gatepost.refund(tenant_ids bigint[], message_ids uuid[], counts int[], why text,
    at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    -- (Mail of our own, kind dsn or notice, was never debited and finds nothing here.)
    UPDATE gatepost.usage u
    SET recipients = u.recipients - p.recipients, shadow_recipients = u.shadow_recipients - p.shadow_recipients
    FROM (
        SELECT d.tenant_id, x.credential_id, x.period, x.starts, sum(n.recipients) AS recipients,
               coalesce(sum(n.recipients) FILTER (WHERE d.shadow), 0) AS shadow_recipients
        FROM unnest(tenant_ids, message_ids, counts) AS n (tenant_id, message_id, recipients)
        JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0
        CROSS JOIN LATERAL (VALUES (0::bigint, 'day', d.day), (0, 'month', d.month), (d.credential_id, 'day', d.day))
            AS x (credential_id, period, starts)
        GROUP BY d.tenant_id, x.credential_id, x.period, x.starts
    ) AS p
    WHERE u.tenant_id = p.tenant_id AND u.credential_id = p.credential_id AND u.period = p.period
        AND u.starts = p.starts;
    UPDATE gatepost.usage_hour u
    SET recipients = u.recipients - p.recipients, shadow_recipients = u.shadow_recipients - p.shadow_recipients
    FROM (
        SELECT d.tenant_id, date_trunc('hour', d.at, 'UTC') AS starts, sum(n.recipients) AS recipients,
               coalesce(sum(n.recipients) FILTER (WHERE d.shadow), 0) AS shadow_recipients
        FROM unnest(tenant_ids, message_ids, counts) AS n (tenant_id, message_id, recipients)
        JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0
        GROUP BY d.tenant_id, date_trunc('hour', d.at, 'UTC')
    ) AS p
    WHERE u.tenant_id = p.tenant_id AND u.starts = p.starts;
    UPDATE gatepost.usage_domain u SET recipients = u.recipients - p.recipients
    FROM (
        SELECT d.tenant_id, m.from_domain, d.day, sum(n.recipients) AS recipients
        FROM unnest(tenant_ids, message_ids, counts) AS n (tenant_id, message_id, recipients)
        JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0
        CROSS JOIN LATERAL (
            -- (It moves from the one to the other only under the meter, which the caller holds.)
            SELECT o.from_domain FROM gatepost.message o WHERE o.tenant_id = n.tenant_id AND o.id = n.message_id
            UNION ALL
            SELECT o.from_domain FROM gatepost.message_straggler o
            WHERE o.tenant_id = n.tenant_id AND o.id = n.message_id) AS m
        GROUP BY d.tenant_id, m.from_domain, d.day
    ) AS p
    WHERE u.tenant_id = p.tenant_id AND u.domain = p.from_domain AND u.starts = p.day;
    INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients, bytes, reason, at)
    SELECT d.tenant_id, d.message_id, (SELECT max(e.entry) + 1 FROM gatepost.ledger e
                                       WHERE e.tenant_id = d.tenant_id AND e.message_id = d.message_id),
           d.credential_id, d.day, d.month, -n.recipients, 0, refund.why, refund.at
    FROM unnest(tenant_ids, message_ids, counts) AS n (tenant_id, message_id, recipients)
    JOIN gatepost.ledger d ON d.tenant_id = n.tenant_id AND d.message_id = n.message_id AND d.entry = 0;
    -- What sessions remember of the caps is too little now, and they would refuse by it.
    PERFORM pg_notify('gatepost_directory', 'tenant:' || n.tenant_id)
    FROM (SELECT DISTINCT t.tenant_id FROM unnest(tenant_ids) AS t (tenant_id)) AS n;
END
$$;

ALTER FUNCTION gatepost.refund(bigint[], uuid[], int[], text, timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.refund(bigint[], uuid[], int[], text, timestamptz) FROM PUBLIC;
