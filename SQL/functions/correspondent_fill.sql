-- gatepost.correspondent_fill: whom a tenant has sent to, out of the recipients that are still stored.
--   In     tenant; since: only what transactions from this one on have accepted (a value of gatepost.correspondent_prepare,
--          null: all)
--   Out    addresses written
--   Called when a limit (or a proposed one) on first-time recipients is set: from then on accept keeps the table.
--   Locks  none itself: the caller holds the meter, or gatepost.correspondent_prepare's lock.    Repeat  harmless
--   Role   none; admin.tenant_set and its like use it
DROP FUNCTION IF EXISTS gatepost.correspondent_fill(bigint);
CREATE OR REPLACE FUNCTION gatepost.correspondent_fill(tenant bigint, since xid8 DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_today date := (ledger.clock() AT TIME ZONE 'UTC')::date;
    v_ids uuid[];
    v_count bigint;
BEGIN
    IF since IS NOT NULL THEN
        -- (Few, by an index, whichever clock their ids are by. They are in no straggler table yet.)
        v_ids := ARRAY(SELECT e.message_id FROM gatepost.event e
                       WHERE e.xid >= since AND e.tenant_id = correspondent_fill.tenant AND e.kind = 'accepted');
    END IF;
    INSERT INTO gatepost.correspondent AS k (tenant_id, address, last_day)
    SELECT correspondent_fill.tenant, q.address, max(q.day)
    FROM (
        SELECT substring(sha256(convert_to(r.address, 'UTF8')) FOR 16) AS address,
               (m.accepted_at AT TIME ZONE 'UTC')::date AS day
        FROM gatepost.message m
        JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
        WHERE m.tenant_id = correspondent_fill.tenant AND m.kind = 'mail' AND r.state <> 'cancelled' AND since IS NULL
        UNION ALL
        SELECT substring(sha256(convert_to(r.address, 'UTF8')) FOR 16), (m.accepted_at AT TIME ZONE 'UTC')::date
        FROM unnest(v_ids) AS n (id)
        JOIN gatepost.message m ON m.tenant_id = correspondent_fill.tenant AND m.id = n.id
        JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
        WHERE m.kind = 'mail' AND r.state <> 'cancelled'
        UNION ALL
        SELECT substring(sha256(convert_to(r.address, 'UTF8')) FOR 16), (m.accepted_at AT TIME ZONE 'UTC')::date
        FROM gatepost.message_straggler m
        JOIN gatepost.recipient_straggler r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
        WHERE m.tenant_id = correspondent_fill.tenant AND m.kind = 'mail' AND r.state <> 'cancelled' AND since IS NULL
    ) AS q
    WHERE q.day >= v_today - 90
    GROUP BY q.address
    ON CONFLICT ON CONSTRAINT correspondent_pkey DO UPDATE SET last_day = excluded.last_day
        WHERE k.last_day < excluded.last_day;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

ALTER FUNCTION gatepost.correspondent_fill(bigint, xid8) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.correspondent_fill(bigint, xid8) FROM PUBLIC;
