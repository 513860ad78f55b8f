-- ledger.claim: lease due recipients to an owner, whole messages at a time.
--   In     owner (registered by ledger.owner_start), at most max_messages messages and about max_bytes of bodies (one
--          message is given however large); pools: only mail for these, null: for all. Leave out a pool that has no
--          room: what waits for it then costs this call nothing.
--   Out    one row per message, ordered by pool; numbers, addresses, domains, attempts, notifies, orcpts and leases are
--          parallel: the recipients leased now (notify -1 and orcpt '': not given; settle wants each one's lease back).
--          Due: free, queued or deferred, next_attempt reached, not marked as cancelled, and the tenant's queue is not
--          held. content is null only if the body was already dropped.
--   Raises GP001 if the owner is not registered any more: start under a new id.
--   Locks  the owner row (shared), then recipients, skipping locked ones.
--   Repeat gives the next ones.    Role  gatepost_node
DROP FUNCTION IF EXISTS ledger.claim(uuid, int, bigint, bigint[]);
CREATE FUNCTION ledger.claim(owner uuid, max_messages int, max_bytes bigint, pools bigint[] DEFAULT NULL)
RETURNS TABLE (
    tenant_id bigint, tenant text, credential text, pool_id bigint, id uuid, kind text, accepted_at timestamptz,
    size bigint, sender text, message_id_header text, client text,
    numbers int[], addresses text[], domains text[], attempts int[], content bytea,
    body_type text, smtputf8 boolean, ret text, envid text, notifies int[], orcpts text[], leases int[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET enable_incremental_sort = off  -- there is an index for each order, analysed or not
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    -- Nobody is left out: then one index has what is due, in order. Else it is looked up tenant by tenant, so that a
    -- held queue, or one whose pool has no room, is not waded through however long it is.
    v_all boolean := claim.pools IS NULL AND NOT EXISTS (SELECT FROM gatepost.tenant t WHERE t.hold_queue);
    v_open bigint[];                    -- tenants with something free that are not left out, in no order
    v_share bigint;                     -- of each in this round: first the same for all, then what there is
    v_messages bigint := max_messages;  -- room left
    v_bytes bigint := max_bytes;
    v_first boolean := true;            -- nothing claimed yet: one message is given however large
    v_tenants bigint[];
    v_ids uuid[];
    v_size bigint;
    v_taken bigint;
BEGIN
    -- Shared with other claims, not with the owner's deletion: no lease is given to an owner that is being freed.
    PERFORM FROM gatepost.owner o WHERE o.id = claim.owner FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'owner % is not registered any more', claim.owner USING ERRCODE = 'GP001';
    END IF;
    IF NOT v_all THEN
        -- One step down the index for each tenant, whatever it has there.
        WITH RECURSIVE waiting AS (
            (SELECT r.tenant_id FROM gatepost.recipient r
             WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred')
             ORDER BY r.tenant_id, r.next_attempt LIMIT 1)
            UNION ALL
            SELECT (SELECT r.tenant_id FROM gatepost.recipient r
                    WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.tenant_id > w.tenant_id
                    ORDER BY r.tenant_id, r.next_attempt LIMIT 1)
            FROM waiting w WHERE w.tenant_id IS NOT NULL
        )
        SELECT array_agg(w.tenant_id ORDER BY random()) INTO v_open
        FROM waiting w JOIN gatepost.tenant t ON t.id = w.tenant_id
        WHERE NOT t.hold_queue AND (t.pool_id = ANY (claim.pools)) IS NOT FALSE;
        v_share := ceil(v_messages / greatest(cardinality(v_open), 1)::numeric);
    END IF;
    -- In rounds, for many of the due may belong to one message.
    WHILE v_messages > 0 LOOP
        -- Seeds: the longest due. Locked here, leased below with the rest of their messages.
        IF v_all THEN
            WITH due AS MATERIALIZED (
                SELECT r.tenant_id, r.message_id FROM gatepost.recipient r
                WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.mark IS NULL
                  AND r.next_attempt <= v_now
                ORDER BY r.next_attempt LIMIT greatest(v_messages, 0) FOR UPDATE SKIP LOCKED
            )
            SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id)
            INTO v_tenants, v_ids FROM (SELECT DISTINCT * FROM due) AS s;
        ELSE
            WITH due AS MATERIALIZED (
                SELECT n.tenant_id, x.message_id FROM unnest(v_open) AS n (tenant_id)
                CROSS JOIN LATERAL (
                    -- (A range of one: by `=` the planner takes tenant_id for settled, and wades through what all
                    -- tenants have due in the order of next_attempt.)
                    SELECT r.message_id FROM gatepost.recipient r
                    WHERE r.tenant_id >= n.tenant_id AND r.tenant_id <= n.tenant_id AND r.owner_id IS NULL
                      AND r.state IN ('queued', 'deferred') AND r.mark IS NULL AND r.next_attempt <= v_now
                    ORDER BY r.tenant_id, r.next_attempt LIMIT v_share FOR UPDATE SKIP LOCKED
                ) AS x
                LIMIT greatest(v_messages, 0)
            )
            SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id)
            INTO v_tenants, v_ids FROM (SELECT DISTINCT * FROM due) AS s;
            v_share := v_messages;
        END IF;
        EXIT WHEN v_ids IS NULL;
        WITH summed AS (
            SELECT n.tenant_id, n.message_id, m.size, n.place, sum(m.size) OVER (ORDER BY n.place) AS total
            FROM unnest(v_tenants, v_ids) WITH ORDINALITY AS n (tenant_id, message_id, place)
            -- (OFFSET 0: the look-up of one row that it is. With statistics of a table that was small, each of the claimed
            -- was compared with everything between the first and the last of them.)
            CROSS JOIN LATERAL (
                SELECT m.size FROM gatepost.message m
                WHERE m.tenant_id = n.tenant_id AND m.id = n.message_id
                  AND m.id BETWEEN v_ids[1] AND v_ids[cardinality(v_ids)]
                OFFSET 0
            ) AS m
        )
        SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id),
               sum(s.size), count(*) INTO v_tenants, v_ids, v_size, v_taken
        FROM summed s WHERE s.total <= v_bytes OR s.place = 1 AND v_first;
        EXIT WHEN v_taken = 0;
        v_first := false;
        v_messages := v_messages - v_taken;
        v_bytes := v_bytes - v_size;
        RETURN QUERY
            WITH due AS MATERIALIZED (
                SELECT r.tenant_id, r.message_id, r.number
                FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
                JOIN gatepost.recipient r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
                    AND r.message_id BETWEEN v_ids[1] AND v_ids[v_taken]
                -- (IS TRUE keeps the planner off the indexes of what is due: these are looked up by key.)
                WHERE r.owner_id IS NULL AND (r.state IN ('queued', 'deferred')) IS TRUE AND r.mark IS NULL
                  AND r.next_attempt <= v_now
                ORDER BY r.message_id, r.number FOR UPDATE OF r SKIP LOCKED
            ), leased AS (
                UPDATE gatepost.recipient r SET owner_id = claim.owner, lease = coalesce(r.lease, 0) + 1
                FROM due d
                WHERE r.tenant_id = d.tenant_id AND r.message_id = d.message_id AND r.number = d.number
                  AND r.message_id BETWEEN v_ids[1] AND v_ids[v_taken]
                RETURNING r.tenant_id, r.message_id, r.number, r.address, r.domain, r.attempts, r.notify,
                          r.orcpt, r.lease
            ), grouped AS (
                SELECT l.tenant_id, l.message_id, array_agg(l.number ORDER BY l.number) AS numbers,
                       array_agg(l.address ORDER BY l.number) AS addresses,
                       array_agg(l.domain ORDER BY l.number) AS domains,
                       array_agg(l.attempts ORDER BY l.number) AS attempts,
                       array_agg(coalesce(l.notify, -1)::int ORDER BY l.number) AS notifies,
                       array_agg(coalesce(l.orcpt, '') ORDER BY l.number) AS orcpts,
                       array_agg(l.lease ORDER BY l.number) AS leases
                FROM leased l GROUP BY l.tenant_id, l.message_id
            )
            SELECT g.tenant_id, t.slug, c.name, t.pool_id, m.id, m.kind, m.accepted_at, m.size, m.sender,
                   m.message_id_header, host(m.client), g.numbers, g.addresses, g.domains, g.attempts, b.content,
                   m.body_type, m.smtputf8, m.ret, m.envid, g.notifies, g.orcpts, g.leases
            FROM grouped g
            CROSS JOIN LATERAL (
                SELECT m.* FROM gatepost.message m
                WHERE m.tenant_id = g.tenant_id AND m.id = g.message_id
                  AND m.id BETWEEN v_ids[1] AND v_ids[v_taken]
                OFFSET 0
            ) AS m
            CROSS JOIN LATERAL (SELECT t.* FROM gatepost.tenant t WHERE t.id = g.tenant_id OFFSET 0) AS t
            LEFT JOIN LATERAL (
                SELECT c.name FROM gatepost.credential c
                WHERE c.tenant_id = g.tenant_id AND c.id = m.credential_id OFFSET 0
            ) AS c ON true
            LEFT JOIN LATERAL (
                SELECT b.content FROM gatepost.body b
                WHERE b.tenant_id = g.tenant_id AND b.message_id = g.message_id
                  AND b.message_id BETWEEN v_ids[1] AND v_ids[v_taken]
                OFFSET 0
            ) AS b ON true
            ORDER BY t.pool_id, m.id;
    END LOOP;
    IF NOT v_all THEN
        WITH RECURSIVE waiting AS (
            (SELECT r.tenant_id FROM gatepost.recipient_straggler r
             WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred')
             ORDER BY r.tenant_id, r.next_attempt LIMIT 1)
            UNION ALL
            SELECT (SELECT r.tenant_id FROM gatepost.recipient_straggler r
                    WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.tenant_id > w.tenant_id
                    ORDER BY r.tenant_id, r.next_attempt LIMIT 1)
            FROM waiting w WHERE w.tenant_id IS NOT NULL
        )
        SELECT array_agg(w.tenant_id ORDER BY random()) INTO v_open
        FROM waiting w JOIN gatepost.tenant t ON t.id = w.tenant_id
        WHERE NOT t.hold_queue AND (t.pool_id = ANY (claim.pools)) IS NOT FALSE;
        v_share := ceil(v_messages / greatest(cardinality(v_open), 1)::numeric);
    END IF;
    WHILE v_messages > 0 LOOP
        IF v_all THEN
            WITH due AS MATERIALIZED (
                SELECT r.tenant_id, r.message_id FROM gatepost.recipient_straggler r
                WHERE r.owner_id IS NULL AND r.state IN ('queued', 'deferred') AND r.mark IS NULL
                  AND r.next_attempt <= v_now
                ORDER BY r.next_attempt LIMIT greatest(v_messages, 0) FOR UPDATE SKIP LOCKED
            )
            SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id)
            INTO v_tenants, v_ids FROM (SELECT DISTINCT * FROM due) AS s;
        ELSE
            WITH due AS MATERIALIZED (
                SELECT n.tenant_id, x.message_id FROM unnest(v_open) AS n (tenant_id)
                CROSS JOIN LATERAL (
                    SELECT r.message_id FROM gatepost.recipient_straggler r
                    WHERE r.tenant_id >= n.tenant_id AND r.tenant_id <= n.tenant_id AND r.owner_id IS NULL
                      AND r.state IN ('queued', 'deferred') AND r.mark IS NULL AND r.next_attempt <= v_now
                    ORDER BY r.tenant_id, r.next_attempt LIMIT v_share FOR UPDATE SKIP LOCKED
                ) AS x
                LIMIT greatest(v_messages, 0)
            )
            SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id)
            INTO v_tenants, v_ids FROM (SELECT DISTINCT * FROM due) AS s;
            v_share := v_messages;
        END IF;
        EXIT WHEN v_ids IS NULL;
        WITH summed AS (
            SELECT n.tenant_id, n.message_id, m.size, n.place, sum(m.size) OVER (ORDER BY n.place) AS total
            FROM unnest(v_tenants, v_ids) WITH ORDINALITY AS n (tenant_id, message_id, place)
            JOIN gatepost.message_straggler m ON m.tenant_id = n.tenant_id AND m.id = n.message_id
                AND m.id BETWEEN v_ids[1] AND v_ids[cardinality(v_ids)]
        )
        SELECT array_agg(s.tenant_id ORDER BY s.message_id), array_agg(s.message_id ORDER BY s.message_id),
               sum(s.size), count(*) INTO v_tenants, v_ids, v_size, v_taken
        FROM summed s WHERE s.total <= v_bytes OR s.place = 1 AND v_first;
        EXIT WHEN v_taken = 0;
        v_first := false;
        v_messages := v_messages - v_taken;
        v_bytes := v_bytes - v_size;
        RETURN QUERY
            WITH due AS MATERIALIZED (
                SELECT r.tenant_id, r.message_id, r.number
                FROM unnest(v_tenants, v_ids) AS n (tenant_id, message_id)
                JOIN gatepost.recipient_straggler r ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id
                WHERE r.owner_id IS NULL AND (r.state IN ('queued', 'deferred')) IS TRUE AND r.mark IS NULL
                  AND r.next_attempt <= v_now
                ORDER BY r.message_id, r.number FOR UPDATE OF r SKIP LOCKED
            ), leased AS (
                UPDATE gatepost.recipient_straggler r SET owner_id = claim.owner, lease = coalesce(r.lease, 0) + 1
                FROM due d
                WHERE r.tenant_id = d.tenant_id AND r.message_id = d.message_id AND r.number = d.number
                RETURNING r.tenant_id, r.message_id, r.number, r.address, r.domain, r.attempts, r.notify,
                          r.orcpt, r.lease
            ), grouped AS (
                SELECT l.tenant_id, l.message_id, array_agg(l.number ORDER BY l.number) AS numbers,
                       array_agg(l.address ORDER BY l.number) AS addresses,
                       array_agg(l.domain ORDER BY l.number) AS domains,
                       array_agg(l.attempts ORDER BY l.number) AS attempts,
                       array_agg(coalesce(l.notify, -1)::int ORDER BY l.number) AS notifies,
                       array_agg(coalesce(l.orcpt, '') ORDER BY l.number) AS orcpts,
                       array_agg(l.lease ORDER BY l.number) AS leases
                FROM leased l GROUP BY l.tenant_id, l.message_id
            )
            SELECT g.tenant_id, t.slug, c.name, t.pool_id, m.id, m.kind, m.accepted_at, m.size, m.sender,
                   m.message_id_header, host(m.client), g.numbers, g.addresses, g.domains, g.attempts, b.content,
                   m.body_type, m.smtputf8, m.ret, m.envid, g.notifies, g.orcpts, g.leases
            FROM grouped g
            CROSS JOIN LATERAL (
                SELECT m.* FROM gatepost.message_straggler m
                WHERE m.tenant_id = g.tenant_id AND m.id = g.message_id OFFSET 0
            ) AS m
            CROSS JOIN LATERAL (SELECT t.* FROM gatepost.tenant t WHERE t.id = g.tenant_id OFFSET 0) AS t
            LEFT JOIN LATERAL (
                SELECT c.name FROM gatepost.credential c
                WHERE c.tenant_id = g.tenant_id AND c.id = m.credential_id OFFSET 0
            ) AS c ON true
            LEFT JOIN LATERAL (
                SELECT b.content FROM gatepost.body_straggler b
                WHERE b.tenant_id = g.tenant_id AND b.message_id = g.message_id OFFSET 0
            ) AS b ON true
            ORDER BY t.pool_id, m.id;
    END LOOP;
END
$$;

ALTER FUNCTION ledger.claim(uuid, int, bigint, bigint[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.claim(uuid, int, bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.claim(uuid, int, bigint, bigint[]) TO gatepost_node;
