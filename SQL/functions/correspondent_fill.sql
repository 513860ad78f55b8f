-- gatepost.correspondent_fill: whom a tenant has sent to, out of the recipients that are still stored.
--   In     tenant.    Out  addresses written
--   Called when a limit (or a proposed one) on first-time recipients is set: from then on accept keeps the table.
--   Locks  none itself: the caller holds the meter.    Repeat  harmless.    Role  none; admin.tenant_set and its like use
--          it
CREATE OR REPLACE FUNCTION gatepost.correspondent_fill(tenant bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_now timestamptz := ledger.clock();
    v_count bigint;
BEGIN
    INSERT INTO gatepost.correspondent AS k (tenant_id, address, last_day)
    SELECT correspondent_fill.tenant, q.address, max(q.day)
    FROM (
        SELECT substring(sha256(convert_to(r.address, 'UTF8')) FOR 16) AS address,
               (m.accepted_at AT TIME ZONE 'UTC')::date AS day
        FROM gatepost.message m
        JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
        WHERE m.tenant_id = correspondent_fill.tenant AND m.kind = 'mail' AND r.state <> 'cancelled'
        UNION ALL
        SELECT substring(sha256(convert_to(r.address, 'UTF8')) FOR 16), (m.accepted_at AT TIME ZONE 'UTC')::date
        FROM gatepost.message_straggler m
        JOIN gatepost.recipient_straggler r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
        WHERE m.tenant_id = correspondent_fill.tenant AND m.kind = 'mail' AND r.state <> 'cancelled'
    ) AS q
    WHERE q.day >= (v_now AT TIME ZONE 'UTC')::date - 90
    GROUP BY q.address
    ON CONFLICT ON CONSTRAINT correspondent_pkey DO UPDATE SET last_day = excluded.last_day
        WHERE k.last_day < excluded.last_day;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

ALTER FUNCTION gatepost.correspondent_fill(bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.correspondent_fill(bigint) FROM PUBLIC;
