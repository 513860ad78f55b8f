-- ledger.settle: record what became of recipients, many at a time.
--   In     owner; parallel arrays, one element per recipient, any order, none twice: tenant_ids, message_ids, numbers;
--          states 'delivered' | 'bounced' | 'deferred' | 'released' (given back untried, its attempts not counted; the
--          reply, where there is one, is ours, and says why: no relay took it) |
--          'unreadable' (the same, for its message cannot be sent as it is stored; the reply is ours, and says why);
--          reply_codes, reply_enhanceds ('4.7.1'), replies (the remote's text, raw), next_attempts: read for 'deferred',
--          'released' and 'unreadable' (null: at once)
--          Reports (RFC 3464) on some of it, null for none: report_places says for each recipient which report tells of
--          it (0: none), by its place in the arrays report_addresses, report_domains (to whom), report_bodies,
--          report_body_types, report_smtputf8s. All recipients of one report are of one message. A report is mail of
--          kind dsn from the null sender, never charged, free for any forwarder; it is stored if at least one of what
--          it tells of was settled now, so never twice. A recipient that waits on and is told of has the mark of it in
--          its notify (8), for claim to hand out: its sender hears of a delay once.
--          leases: which lease of each recipient this is the outcome of, as claim and owner_reclaim number them; 0:
--          that of accept. The owner may have given it back since, and leased it anew: that lease is not this outcome's
--          to end, however often it is written and however late (null: not asked, for nodes that know of no number).
--   Out    one row per element, in order: 'settled', or 'lease_lost' if the lease is not the owner's (any more)
--   Locks  recipient rows in (message, number) order, then outcome_hour in tenant order; never the meter.
--   Repeat harmless ('lease_lost'), and writes each time.    Role  gatepost_node
DROP FUNCTION IF EXISTS ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[], timestamptz[],
    int[], text[], text[], bytea[], text[], boolean[]);
CREATE OR REPLACE FUNCTION ledger.settle(
    owner uuid, tenant_ids bigint[], message_ids uuid[], numbers int[], states text[],
    reply_codes int[], reply_enhanceds text[], replies bytea[], next_attempts timestamptz[],
    report_places int[] DEFAULT NULL, report_addresses text[] DEFAULT NULL, report_domains text[] DEFAULT NULL,
    report_bodies bytea[] DEFAULT NULL, report_body_types text[] DEFAULT NULL, report_smtputf8s boolean[] DEFAULT NULL,
    leases int[] DEFAULT NULL
) RETURNS TABLE (message_id uuid, number int, verdict text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_count int := cardinality(settle.message_ids);
    -- The range lets most partitions be skipped before they are opened.
    v_low uuid := (SELECT n.id FROM unnest(settle.message_ids) AS n (id) ORDER BY n.id LIMIT 1);
    v_high uuid := (SELECT n.id FROM unnest(settle.message_ids) AS n (id) ORDER BY n.id DESC LIMIT 1);
    v_done int[];
    v_settled int[] := '{}';  -- places in the arrays
    v_report_tenants bigint[];  -- the reports to be stored, in parallel
    v_report_of uuid[];
    v_report_ids uuid[];
    v_report_places int[];
BEGIN
    IF v_count IS NULL OR cardinality(settle.tenant_ids) <> v_count OR cardinality(settle.numbers) <> v_count
        OR cardinality(settle.states) <> v_count OR cardinality(settle.reply_codes) <> v_count
        OR cardinality(settle.reply_enhanceds) <> v_count OR cardinality(settle.replies) <> v_count
        OR cardinality(settle.next_attempts) <> v_count OR cardinality(settle.leases) <> v_count
        OR NOT settle.states <@ ARRAY['delivered', 'bounced', 'deferred', 'released', 'unreadable']
    THEN
        RAISE EXCEPTION 'ledger.settle: arrays of different lengths, or an unknown state'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(settle.report_places) <> v_count OR cardinality(settle.report_bodies) > 0
        AND (settle.report_places IS NULL OR cardinality(settle.report_addresses) <> cardinality(settle.report_bodies)
            OR cardinality(settle.report_domains) <> cardinality(settle.report_bodies)
            OR cardinality(settle.report_body_types) <> cardinality(settle.report_bodies)
            OR cardinality(settle.report_smtputf8s) <> cardinality(settle.report_bodies))
    THEN
        RAISE EXCEPTION 'ledger.settle: arrays of reports of different lengths'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- Lock in order, then change in a later statement what is still leased to the caller. A mark of cancel stays: what
    -- was not delivered or bounced, upkeep finishes.
    PERFORM FROM unnest(settle.tenant_ids, settle.message_ids, settle.numbers) AS n (tenant_id, message_id, number)
    JOIN gatepost.recipient r
        ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.message_id BETWEEN v_low AND v_high
    ORDER BY r.message_id, r.number FOR UPDATE OF r;
    WITH done AS (
        UPDATE gatepost.recipient r
        SET owner_id = NULL,
            state = CASE WHEN n.state IN ('released', 'unreadable') THEN r.state ELSE n.state END,
            attempts = CASE WHEN n.state IN ('released', 'unreadable') THEN r.attempts ELSE r.attempts + 1 END,
            last_attempt = CASE WHEN n.state IN ('released', 'unreadable') THEN r.last_attempt ELSE v_now END,
            next_attempt = CASE WHEN n.state IN ('delivered', 'bounced') THEN r.next_attempt
                                ELSE coalesce(n.next_attempt, v_now) END,
            final_at = CASE WHEN n.state IN ('delivered', 'bounced') THEN v_now END,
            notify = CASE WHEN n.place > 0 AND n.state IN ('deferred', 'released') THEN r.notify | 8
                          ELSE r.notify END,
            reply_code = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply_code ELSE n.reply_code END,
            reply_enhanced = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply_enhanced
                                  ELSE n.reply_enhanced END,
            reply = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply ELSE n.reply END
        FROM unnest(settle.tenant_ids, settle.message_ids, settle.numbers, settle.states, settle.reply_codes,
                    settle.reply_enhanceds, settle.replies, settle.next_attempts, settle.leases, settle.report_places)
            WITH ORDINALITY AS n (tenant_id, message_id, number, state, reply_code, reply_enhanced, reply,
                next_attempt, lease, place, ord)
        WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.message_id BETWEEN v_low AND v_high
          AND r.owner_id = settle.owner AND (coalesce(r.lease, 0) = n.lease) IS NOT FALSE
          AND r.state IN ('queued', 'deferred')
        RETURNING n.ord::int AS ord
    )
    SELECT array_agg(d.ord) INTO v_done FROM done d;
    v_settled := coalesce(v_done, '{}');
    IF cardinality(v_settled) < v_count THEN
        -- In later statements, for a message may have become a straggler meanwhile.
        PERFORM FROM unnest(settle.tenant_ids, settle.message_ids, settle.numbers) AS n (tenant_id, message_id, number)
        JOIN gatepost.recipient_straggler r
            ON r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.message_id BETWEEN v_low AND v_high
        ORDER BY r.message_id, r.number FOR UPDATE OF r;
        WITH done AS (
            UPDATE gatepost.recipient_straggler r
            SET owner_id = NULL,
                state = CASE WHEN n.state IN ('released', 'unreadable') THEN r.state ELSE n.state END,
                attempts = CASE WHEN n.state IN ('released', 'unreadable') THEN r.attempts ELSE r.attempts + 1 END,
                last_attempt = CASE WHEN n.state IN ('released', 'unreadable') THEN r.last_attempt ELSE v_now END,
                next_attempt = CASE WHEN n.state IN ('delivered', 'bounced') THEN r.next_attempt
                                    ELSE coalesce(n.next_attempt, v_now) END,
                final_at = CASE WHEN n.state IN ('delivered', 'bounced') THEN v_now END,
                notify = CASE WHEN n.place > 0 AND n.state IN ('deferred', 'released') THEN r.notify | 8
                              ELSE r.notify END,
                reply_code = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply_code ELSE n.reply_code END,
                reply_enhanced = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply_enhanced
                                  ELSE n.reply_enhanced END,
                reply = CASE WHEN n.state = 'released' AND n.reply IS NULL THEN r.reply ELSE n.reply END
            FROM unnest(settle.tenant_ids, settle.message_ids, settle.numbers, settle.states, settle.reply_codes,
                        settle.reply_enhanceds, settle.replies, settle.next_attempts, settle.leases,
                        settle.report_places)
                WITH ORDINALITY AS n (tenant_id, message_id, number, state, reply_code, reply_enhanced, reply,
                    next_attempt, lease, place, ord)
            WHERE r.tenant_id = n.tenant_id AND r.message_id = n.message_id AND r.number = n.number
          AND r.message_id BETWEEN v_low AND v_high
              AND r.owner_id = settle.owner AND (coalesce(r.lease, 0) = n.lease) IS NOT FALSE
              AND r.state IN ('queued', 'deferred')
            RETURNING n.ord::int AS ord
        )
        SELECT array_agg(d.ord) INTO v_done FROM done d;
        v_settled := v_settled || coalesce(v_done, '{}');
    END IF;

    IF cardinality(v_settled) = 0 THEN
        INSERT INTO gatepost.settle_repeat AS s (owner_id, repeats) VALUES (settle.owner, 1)
        ON CONFLICT ON CONSTRAINT settle_repeat_pkey DO UPDATE SET repeats = s.repeats + 1;
    ELSE
        INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, number, reply_code, reply_enhanced, reply,
                                    credential_id)
        SELECT n.tenant_id, gatepost.uuid_new(v_now), v_now, n.state, n.message_id, n.number, n.reply_code,
               n.reply_enhanced, n.reply, nullif(coalesce(m.credential_id, s.credential_id), 0)
        FROM unnest(settle.tenant_ids, settle.message_ids, settle.numbers, settle.states, settle.reply_codes,
                    settle.reply_enhanceds, settle.replies)
            WITH ORDINALITY AS n (tenant_id, message_id, number, state, reply_code, reply_enhanced, reply, ord)
        LEFT JOIN LATERAL (
            SELECT q.credential_id FROM gatepost.message q
            WHERE q.tenant_id = n.tenant_id AND q.id = n.message_id AND q.id BETWEEN v_low AND v_high OFFSET 0
        ) AS m ON true
        LEFT JOIN LATERAL (
            SELECT q.credential_id FROM gatepost.message_straggler q
            WHERE q.tenant_id = n.tenant_id AND q.id = n.message_id AND m.credential_id IS NULL OFFSET 0
        ) AS s ON true
        WHERE n.ord = ANY (v_settled) AND n.state IN ('delivered', 'bounced', 'deferred');
        IF 'unreadable' = ANY (settle.states) THEN
            -- Of the message, not of each of its recipients: none of them is sent to.
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, detail)
            SELECT n.tenant_id, gatepost.uuid_new(v_now), v_now, 'unreadable', n.message_id,
                   nullif(coalesce(m.credential_id, s.credential_id), 0),
                   jsonb_strip_nulls(jsonb_build_object('reason', encode(n.reply, 'escape'), 'until', n.next_attempt))
            FROM (SELECT DISTINCT ON (x.tenant_id, x.message_id) x.*
                  FROM unnest(settle.tenant_ids, settle.message_ids, settle.states, settle.replies,
                              settle.next_attempts)
                      WITH ORDINALITY AS x (tenant_id, message_id, state, reply, next_attempt, ord)
                  WHERE x.ord = ANY (v_settled) AND x.state = 'unreadable'
                  ORDER BY x.tenant_id, x.message_id, x.ord) AS n
            LEFT JOIN gatepost.message m
                ON m.tenant_id = n.tenant_id AND m.id = n.message_id AND m.id BETWEEN v_low AND v_high
            LEFT JOIN gatepost.message_straggler s ON s.tenant_id = n.tenant_id AND s.id = n.message_id;
        END IF;
        INSERT INTO gatepost.outcome_hour AS h (tenant_id, starts, delivered, deferred, bounced)
        SELECT n.tenant_id, date_trunc('hour', v_now, 'UTC'), count(*) FILTER (WHERE n.state = 'delivered'),
               count(*) FILTER (WHERE n.state = 'deferred'), count(*) FILTER (WHERE n.state = 'bounced')
        FROM unnest(settle.tenant_ids, settle.states) WITH ORDINALITY AS n (tenant_id, state, ord)
        WHERE n.ord = ANY (v_settled) AND n.state IN ('delivered', 'bounced', 'deferred')
        GROUP BY n.tenant_id ORDER BY n.tenant_id
        ON CONFLICT ON CONSTRAINT outcome_hour_pkey DO UPDATE
            SET delivered = h.delivered + excluded.delivered, deferred = h.deferred + excluded.deferred,
                bounced = h.bounced + excluded.bounced;
        IF cardinality(settle.report_bodies) > 0 THEN
            SELECT array_agg(q.tenant_id), array_agg(q.message_id), array_agg(q.place),
                   array_agg(gatepost.uuid_new(v_now))
            INTO v_report_tenants, v_report_of, v_report_places, v_report_ids
            FROM (SELECT DISTINCT ON (n.place) n.tenant_id, n.message_id, n.place
                  FROM unnest(settle.tenant_ids, settle.message_ids, settle.report_places)
                      WITH ORDINALITY AS n (tenant_id, message_id, place, ord)
                  WHERE n.ord = ANY (v_settled) AND n.place BETWEEN 1 AND cardinality(settle.report_bodies)
                  ORDER BY n.place, n.ord) AS q;
            INSERT INTO gatepost.message (tenant_id, id, kind, credential_id, login_id, accepted_at, size, recipients,
                                          sender, from_domain, body_type, smtputf8)
            SELECT n.tenant_id, n.id, 'dsn', 0, 0, v_now, octet_length(settle.report_bodies[n.place]), 1, '', '',
                   settle.report_body_types[n.place], settle.report_smtputf8s[n.place]
            FROM unnest(v_report_tenants, v_report_ids, v_report_places) AS n (tenant_id, id, place);
            INSERT INTO gatepost.body (tenant_id, message_id, content)
            SELECT n.tenant_id, n.id, settle.report_bodies[n.place]
            FROM unnest(v_report_tenants, v_report_ids, v_report_places) AS n (tenant_id, id, place);
            -- Nothing is told of what becomes of a report.
            INSERT INTO gatepost.recipient (tenant_id, message_id, number, next_attempt, state, address, domain, notify)
            SELECT n.tenant_id, n.id, 1, v_now, 'queued', settle.report_addresses[n.place],
                   settle.report_domains[n.place], 0
            FROM unnest(v_report_tenants, v_report_ids, v_report_places) AS n (tenant_id, id, place);
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, detail)
            SELECT n.tenant_id, gatepost.uuid_new(v_now), v_now, 'reported', n.message_id,
                   jsonb_build_object('report', n.id)
            FROM unnest(v_report_tenants, v_report_ids, v_report_of) AS n (tenant_id, id, message_id);
        END IF;
    END IF;

    RETURN QUERY
        SELECT n.message_id, n.number, CASE WHEN n.ord = ANY (v_settled) THEN 'settled' ELSE 'lease_lost' END
        FROM unnest(settle.message_ids, settle.numbers) WITH ORDINALITY AS n (message_id, number, ord)
        ORDER BY n.ord;
END
$$;

ALTER FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[],
    timestamptz[], int[], text[], text[], bytea[], text[], boolean[], int[])
    OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[],
    timestamptz[], int[], text[], text[], bytea[], text[], boolean[], int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[],
    timestamptz[], int[], text[], text[], bytea[], text[], boolean[], int[]) TO gatepost_node;
