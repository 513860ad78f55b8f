-- ledger.upkeep_partitions: one step of partition upkeep: make one that will be needed within 3 days, move the
-- stragglers out of one that is to go, or drop one.
--   In     body_keep: how long bodies stay after their last recipient is final; keep: how long messages and events stay
--   Out    what was done, for the log; null: nothing left to do. Call again, each in a transaction of its own, until
--          null.
--   Raises 55P03 when a lock was not had within 50 ms: try again later. GP004 for less than an hour of bodies or a day of
--          the rest.
--   Locks  ACCESS EXCLUSIVE on one table's parent, briefly; for stragglers the meters first, then recipients.
--   Repeat goes on.    Role  gatepost_node, gatepost_admin (SECURITY DEFINER: neither has DDL)
CREATE OR REPLACE FUNCTION ledger.upkeep_partitions(
    body_keep interval DEFAULT '24 hours', keep interval DEFAULT '30 days'
) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz := ledger.clock();
    v_moved bigint;
    r record;
BEGIN
    -- Whoever may call this has no say in whether there is a history at all.
    IF body_keep < interval '1 hour' OR keep < interval '1 day' OR body_keep IS NULL OR keep IS NULL THEN
        RAISE EXCEPTION 'bodies are kept for an hour at least, messages and events for a day'
            USING ERRCODE = 'GP004';
    END IF;
    PERFORM set_config('lock_timeout', '50ms', true);

    -- 1. What will be needed.
    FOR r IN
        SELECT f.name, g.at FROM gatepost.partition_family f, generate_series(v_now, v_now + interval '3 days',
            f.width) AS g (at)
        ORDER BY g.at, f.name
    LOOP
        IF gatepost.make_partition(r.name, r.at) THEN
            RETURN format('made the partition of %s for %s', r.name, r.at);
        END IF;
    END LOOP;

    -- 2. What has had its time, oldest first. The range of ids is read from the partition itself.
    FOR r IN
        SELECT q.*, CASE WHEN q.family = 'body' THEN body_keep ELSE keep END AS keep FROM (
            SELECT p.relname AS family, c.relname AS name, b.bounds[1]::uuid AS low, b.bounds[2]::uuid AS high,
                   gatepost.uuid_instant(b.bounds[2]::uuid) AS ends
            FROM pg_inherits i
            JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_class p ON p.oid = i.inhparent
            JOIN gatepost.partition_family f ON f.name = p.relname
            CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), $x$FROM \('(.*)'\) TO \('(.*)'\)$x$)
                AS b (bounds)
            WHERE p.relnamespace = 'gatepost'::regnamespace AND p.relkind = 'p'
        ) AS q
        WHERE q.ends < v_now - CASE WHEN q.family = 'body' THEN body_keep ELSE keep END
        ORDER BY q.low, CASE q.family WHEN 'body' THEN 1 WHEN 'event' THEN 2 WHEN 'recipient' THEN 3 ELSE 4 END
    LOOP
        IF r.family <> 'event' THEN
            IF EXISTS (SELECT FROM gatepost.recipient q WHERE q.message_id >= r.low AND q.message_id < r.high
                       AND q.owner_id IS NULL AND q.state IN ('queued', 'deferred'))
                OR EXISTS (SELECT FROM gatepost.recipient q WHERE q.message_id >= r.low AND q.message_id < r.high
                           AND q.owner_id IS NOT NULL)
            THEN
                -- Most are delivered or bounced within a day or two: bodies are not moved before that.
                CONTINUE WHEN r.family = 'body' AND r.ends > v_now - 2 * body_keep;
                v_moved := gatepost.move_stragglers(r.low, r.high, 100);
                CONTINUE WHEN v_moved = 0;
                RETURN format('moved %s stragglers out of %s', v_moved, r.name);
            END IF;
            CONTINUE WHEN EXISTS (SELECT FROM gatepost.recipient q WHERE q.message_id >= r.low AND q.message_id < r.high
                                  AND q.final_at > v_now - body_keep);
        END IF;
        IF r.family IN ('recipient', 'message') THEN
            -- Committed before the first drop: who compares stored recipients with the ledger must know where to stop.
            UPDATE gatepost.drop_horizon h SET below = r.ends WHERE h.below < r.ends;
            IF FOUND THEN
                RETURN format('moved the drop horizon to %s', r.ends);
            END IF;
        END IF;
        EXECUTE format('LOCK TABLE ONLY gatepost.%I IN ACCESS EXCLUSIVE MODE', r.family);
        EXECUTE format('DROP TABLE gatepost.%I', r.name);
        RETURN format('dropped %s', r.name);
    END LOOP;

    -- 3. Stragglers that have become final: the body after body_keep, the rest after keep.
    DELETE FROM gatepost.body_straggler b WHERE NOT EXISTS (
        SELECT FROM gatepost.recipient_straggler q WHERE q.tenant_id = b.tenant_id AND q.message_id = b.message_id
          AND (q.state IN ('queued', 'deferred') OR q.final_at > v_now - body_keep));
    -- (Not before the day they came from: `usage_verify` compares the days above the horizon with the ledger.)
    DELETE FROM gatepost.message_straggler m WHERE m.accepted_at < v_now - keep
        AND gatepost.uuid_instant(m.id) < (SELECT h.below FROM gatepost.drop_horizon h) AND NOT EXISTS (
        SELECT FROM gatepost.recipient_straggler q WHERE q.tenant_id = m.tenant_id AND q.message_id = m.id
          AND (q.state IN ('queued', 'deferred') OR q.final_at > v_now - body_keep));
    DELETE FROM gatepost.recipient_straggler q WHERE NOT EXISTS (
        SELECT FROM gatepost.message_straggler m WHERE m.tenant_id = q.tenant_id AND m.id = q.message_id);
    RETURN NULL;
END
$$;

ALTER FUNCTION ledger.upkeep_partitions(interval, interval) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.upkeep_partitions(interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.upkeep_partitions(interval, interval) TO gatepost_node, gatepost_admin;
