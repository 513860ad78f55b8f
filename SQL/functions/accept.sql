-- ledger.accept: decide a batch of messages, store what fits, charge it. One lock decides everything.
--   In     batch, a new id, never used before (the fence, see ledger.resolve); owner, the lease holder that forwards
--          (null: stored free, for any forwarder); then one element per message, in order of arrival:
--            ids                 UUIDv7 with the database's time, at most 60 s off
--            senders             reverse-path without brackets, '' is the null path
--            sender_domains      its domain as A-label in lower case, '' for the null path
--            from_domains        the From header's (or Sender's) domain, the same way
--            bodies, sizes       what is stored; octets that count as its size
--            digests             SHA-256 over envelope and content as sent; null: no resubmission check
--            clients, helos, message_id_headers   for logs and look-ups; may be null
--          and one element per recipient, messages in order, each recipient once (not checked here):
--            recipient_messages  which message, from 1
--            recipient_addresses, recipient_domains
--          and, each null for defaults throughout:
--            body_types, smtputf8s, rets, envids    one element per message: '8bitmime', false, null, null
--            recipient_notifies, recipient_orcpts   one element per recipient
--            author_messages, author_domains        the domains of further authors, and of which message; any number
--   Out    one row per message, in order. verdict is one of
--            accepted               queue_id = id; remaining: the smallest cap's rest, null: unlimited
--            resubmitted            queue_id = the first message's id; nothing stored, nothing charged
--            stale_id               some id of the batch was more than 60 s off: every message says so, nothing was
--                                   written (no batch row either); send again with new ids made from `clock`
--            tenant_unknown, tenant_suspended (detail: the reason), credential_unknown, credential_revoked,
--            credential_expired, login_expired, sender_domain, from_domain (detail: the domain, an author's),
--            message_size, too_many_recipients (cap, used = this message's),
--            cap_daily, cap_monthly, cap_credential_daily, rate (cap, used, resets_at, resets_text, policy)
--          limit_name: daily, monthly, credential_daily, rate, message_size, recipients_per_message
--          resets_text: ISO 8601 in the tenant's zone. policy: 'defer' or 'reject'. clock: the instant decided at,
--          on every row.
--   Raises 23505 on batch_pkey: the batch was fenced, give up. 55P03: a meter was not had in time (50 ms if the batch
--          has several tenants: split it by tenant; 1 s if it has one). 22023, 23502: malformed arrays.
--   Locks  batch, then the meters in tenant order. usage and recent under the meter only.
--   Repeat fails on batch_pkey.    Role  gatepost_node, in a transaction of its own, READ COMMITTED
CREATE OR REPLACE FUNCTION ledger.accept(
    batch uuid, owner uuid,
    ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[],
    senders text[], sender_domains text[], from_domains text[],
    bodies bytea[], sizes bigint[], digests bytea[],
    clients text[], helos bytea[], message_id_headers text[],
    recipient_messages int[], recipient_addresses text[], recipient_domains text[],
    body_types text[] DEFAULT NULL, smtputf8s boolean[] DEFAULT NULL, rets text[] DEFAULT NULL,
    envids text[] DEFAULT NULL, recipient_notifies int[] DEFAULT NULL, recipient_orcpts text[] DEFAULT NULL,
    author_messages int[] DEFAULT NULL, author_domains text[] DEFAULT NULL
) RETURNS SETOF ledger.verdict
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan  -- planning costs more than any of these plans
SET enable_seqscan = off                  -- a plan made while a table was small would outlive that
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off                             -- a plan that cannot do without one of these would look worth compiling
AS $$
DECLARE
    v_count int := cardinality(ids);
    v_now timestamptz := ledger.clock();  -- before the lock: for ids and rows; after it: for every decision
    v_low uuid := gatepost.uuid_floor(v_now - interval '60 seconds');
    v_high uuid := gatepost.uuid_floor(v_now + interval '60 seconds');
    v_hour timestamptz;
    v_sizes int[];                        -- recipients of each message
    v_numbers int[];                      -- each recipient's number within its message
    v_total bigint := cardinality(recipient_messages);
    v_number int;
    v_authors int := coalesce(cardinality(author_domains), 0);  -- further ones
    v_timeout text;
    v_locked bigint[];
    v_out ledger.verdict[];
    v_said ledger.verdict;
    r record;

    -- The tenant being decided: its counters as they are after the messages accepted so far.
    v_tenant bigint;
    v_day_used bigint;
    v_month_used bigint;
    v_debt bigint;                        -- the rate's bucket, see gatepost.meter
    v_elapsed bigint;                     -- microseconds
    v_credentials bigint[];               -- its credentials, and what each has used today
    v_credential_used bigint[];

    -- What is to be written when all is decided.
    w_ords int[] := '{}';                 -- accepted messages, with the day and month that pay
    w_days date[] := '{}';
    w_months date[] := '{}';
    w_refused int[] := '{}';
    w_keys bytea[] := '{}';               -- resubmission keys: tenant, credential, digest in one; and whose
    w_key_ords int[] := '{}';
    d_tenants bigint[] := '{}';           -- rate buckets
    d_debts bigint[] := '{}';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- With an older snapshot the statements after the lock would not see what the lock waited for.
        RAISE EXCEPTION 'ledger.accept needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    -- 0. Ids far from our time would go to another partition than they say. Nothing is written yet.
    -- (An empty batch passes here and fails below.)
    IF (v_low <= ALL (ids) AND v_high > ALL (ids)) IS NOT TRUE THEN
        RETURN QUERY SELECT i.id, 'stale_id', NULL::uuid, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz,
            NULL::text, NULL::text, NULL::text, NULL::bigint, v_now FROM unnest(ids) AS i (id);
        RETURN;
    END IF;

    v_sizes := array_fill(0, ARRAY[v_count]);
    v_numbers := array_fill(0, ARRAY[cardinality(recipient_messages)]);
    FOR i IN 1..cardinality(recipient_messages) LOOP
        v_number := v_sizes[recipient_messages[i]] + 1;
        v_sizes[recipient_messages[i]] := v_number;
        v_numbers[i] := v_number;
    END LOOP;
    IF (v_count > 0 AND cardinality(v_sizes) = v_count AND 0 <> ALL (v_sizes)) IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger.accept: no messages, a message without recipients, or a recipient without message'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF v_authors > 0 OR author_messages <> '{}' THEN
        IF (cardinality(author_messages) = v_authors AND 1 <= ALL (author_messages)
            AND v_count >= ALL (author_messages)) IS NOT TRUE
        THEN
            RAISE EXCEPTION 'ledger.accept: an author of no message' USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;

    -- 1. The fence, then the rows, hoping they fit. An unknown tenant, credential or login is 0 until it is refused.
    INSERT INTO gatepost.batch (id, at) VALUES (accept.batch, v_now);
    INSERT INTO gatepost.message (tenant_id, id, credential_id, login_id, accepted_at, size, recipients, client, digest,
                                  sender, from_domain, helo, message_id_header, body_type, smtputf8, ret, envid)
    SELECT coalesce(m.tenant_id, 0), m.id, coalesce(m.credential_id, 0), coalesce(m.login_id, 0), v_now, m.size,
           m.recipients, m.client::inet, m.digest, m.sender, m.from_domain, m.helo, m.header,
           coalesce(m.body_type, '8bitmime'), coalesce(m.smtputf8, false), m.ret, m.envid
    FROM unnest(ids, tenant_ids, credential_ids, login_ids, sizes, v_sizes, clients, digests, senders, from_domains,
                helos, message_id_headers, body_types, smtputf8s, rets, envids)
        AS m (id, tenant_id, credential_id, login_id, size, recipients, client, digest, sender, from_domain, helo,
            header, body_type, smtputf8, ret, envid);
    INSERT INTO gatepost.body (tenant_id, message_id, content)
    SELECT coalesce(m.tenant_id, 0), m.id, m.content FROM unnest(tenant_ids, ids, bodies) AS m (tenant_id, id, content);
    INSERT INTO gatepost.recipient (tenant_id, message_id, number, owner_id, next_attempt, state, address, domain,
                                    notify, orcpt)
    SELECT coalesce(tenant_ids[m.message], 0), ids[m.message], m.number, accept.owner, v_now, 'queued', m.address,
        m.domain, m.notify, m.orcpt
    FROM unnest(recipient_messages, v_numbers, recipient_addresses, recipient_domains, recipient_notifies,
                recipient_orcpts)
        AS m (message, number, address, domain, notify, orcpt);

    -- 2. The lock.
    IF tenant_ids[1] = ALL (tenant_ids) THEN
        v_timeout := set_config('lock_timeout', '1s', true);
        PERFORM FROM gatepost.meter m WHERE m.tenant_id = tenant_ids[1] FOR NO KEY UPDATE;
        v_locked := CASE WHEN FOUND THEN tenant_ids[1:1] ELSE '{}' END;
    ELSE
        v_timeout := set_config('lock_timeout', '50ms', true);
        v_locked := ARRAY(SELECT m.tenant_id FROM gatepost.meter m WHERE m.tenant_id = ANY (tenant_ids)
                          ORDER BY m.tenant_id FOR NO KEY UPDATE);
    END IF;

    -- 3. The time, once. Everything else is read in later statements: their snapshot is newer than the lock. What is
    -- not found is refused, for every comparison with it would pass.
    v_now := ledger.clock();
    v_hour := date_trunc('hour', v_now, 'UTC');
    v_out := array_fill(NULL::ledger.verdict, ARRAY[v_count]);

    -- 4. Decide. First the common case: one sender (so any lone message), and all of it fits. Whatever is not so plain
    -- (a refusal, a resubmission, a rate, several authors) finds nothing here and is judged below.
    IF v_authors = 0 AND tenant_ids[1] = ALL (tenant_ids) AND credential_ids[1] = ALL (credential_ids)
        AND login_ids[1] = ALL (login_ids) AND sender_domains[1] = ALL (sender_domains)
        AND from_domains[1] = ALL (from_domains)
    THEN
        SELECT t.day, t.month, t.resubmission, (SELECT sum(b.size) FROM unnest(sizes) AS b (size)) AS bytes,
               least(t.daily_cap - coalesce(ud.recipients, 0), t.monthly_cap - coalesce(um.recipients, 0),
                     c.daily_cap - coalesce(uc.recipients, 0)) - v_total AS remaining
        INTO r
        FROM (
            SELECT t.*, (v_now AT TIME ZONE y.zone)::date AS day,
                   date_trunc('month', v_now AT TIME ZONE y.zone)::date AS month
            FROM gatepost.tenant t
            CROSS JOIN LATERAL (
                SELECT CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END AS zone OFFSET 0) AS y
            WHERE t.id = tenant_ids[1] OFFSET 0
        ) AS t
        -- (OFFSET 0 keeps each of these the look-up of one row that it is. Joined freely, a tenant's every day was
        -- read, and every credential.)
        CROSS JOIN LATERAL (
            SELECT c.* FROM gatepost.credential c WHERE c.tenant_id = t.id AND c.id = credential_ids[1] OFFSET 0) AS c
        CROSS JOIN LATERAL (
            SELECT l.* FROM gatepost.login l
            WHERE l.tenant_id = t.id AND l.credential_id = credential_ids[1] AND l.id = login_ids[1] OFFSET 0) AS l
        LEFT JOIN LATERAL (
            SELECT u.recipients FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = t.day OFFSET 0
        ) AS ud ON true
        LEFT JOIN LATERAL (
            SELECT u.recipients FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = t.month OFFSET 0
        ) AS um ON true
        LEFT JOIN LATERAL (
            SELECT u.recipients FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = c.id AND u.period = 'day' AND u.starts = t.day OFFSET 0
        ) AS uc ON true
        WHERE t.id = ANY (v_locked) AND t.status = 'active' AND t.rate IS NULL
          AND t.daily_window = 'day' AND t.message_size >= ALL (sizes) AND t.recipients_per_message >= ALL (v_sizes)
          AND c.revoked_at IS NULL AND (c.expires_at <= v_now) IS NOT TRUE
          AND (l.valid_until <= v_now) IS NOT TRUE
          AND (sender_domains[1] = '' AND t.null_sender OR EXISTS (
              SELECT FROM gatepost.sender_domain d
              WHERE d.tenant_id = tenant_ids[1] AND d.domain = sender_domains[1] AND d.verified_at IS NOT NULL))
          AND (sender_domains[1] = from_domains[1] AND from_domains[1] <> '' OR EXISTS (
              SELECT FROM gatepost.sender_domain d
              WHERE d.tenant_id = tenant_ids[1] AND d.domain = from_domains[1] AND d.verified_at IS NOT NULL))
          AND (coalesce(ud.recipients, 0) + v_total <= t.daily_cap) IS NOT FALSE
          AND (coalesce(um.recipients, 0) + v_total <= t.monthly_cap) IS NOT FALSE
          AND (coalesce(uc.recipients, 0) + v_total <= c.daily_cap) IS NOT FALSE
          AND (NOT t.resubmission OR NOT EXISTS (
                  SELECT FROM unnest(digests) AS q (digest)
                  CROSS JOIN LATERAL (
                      SELECT k.at FROM gatepost.recent k
                      WHERE k.tenant_id = tenant_ids[1] AND k.credential_id = credential_ids[1] AND k.digest = q.digest
                      OFFSET 0
                  ) AS k
                  WHERE k.at > v_now - interval '10 minutes')
              AND (v_count = 1
                   OR (SELECT count(q.digest) = count(DISTINCT q.digest) FROM unnest(digests) AS q (digest))));
        IF FOUND THEN
            -- 5. Write it.
            INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients, bytes,
                                         reason, at)
            SELECT tenant_ids[1], n.id, 0, credential_ids[1], r.day, r.month, n.recipients, n.size, 'accept', v_now
            FROM unnest(ids, v_sizes, sizes) AS n (id, recipients, size);
            INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes)
            VALUES (tenant_ids[1], 0, 'day', r.day, v_total, v_count, r.bytes),
                   (tenant_ids[1], 0, 'month', r.month, v_total, v_count, r.bytes),
                   (tenant_ids[1], credential_ids[1], 'day', r.day, v_total, v_count, r.bytes)
            ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
                SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                    bytes = u.bytes + excluded.bytes;
            INSERT INTO gatepost.usage_hour AS u (tenant_id, starts, recipients) VALUES (tenant_ids[1], v_hour, v_total)
            ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE SET recipients = u.recipients + excluded.recipients;
            IF r.resubmission THEN
                INSERT INTO gatepost.recent (tenant_id, credential_id, digest, message_id, at)
                SELECT tenant_ids[1], credential_ids[1], n.digest, n.id, v_now
                FROM unnest(digests, ids) AS n (digest, id) WHERE n.digest IS NOT NULL
                ON CONFLICT ON CONSTRAINT recent_pkey DO UPDATE SET message_id = excluded.message_id, at = excluded.at;
            END IF;
            UPDATE gatepost.batch b
            SET verdicts = ARRAY(SELECT ROW(i.id, 'accepted', i.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                            r.remaining, v_now)::ledger.verdict FROM unnest(ids) AS i (id))
            WHERE b.id = accept.batch
            RETURNING b.verdicts INTO v_out;
            FOREACH v_said IN ARRAY v_out LOOP
                RETURN NEXT v_said;
            END LOOP;
            RETURN;
        END IF;
    END IF;

    -- Then tenant by tenant (they share nothing), each in order of arrival.
    FOR r IN
        SELECT m.ord::int AS ord, m.id, m.credential_id, m.size, m.recipients, m.digest, t.*,
               CASE
                   WHEN t.known IS NOT TRUE OR t.status = 'deleted' THEN 'tenant_unknown'
                   WHEN t.status <> 'active' THEN 'tenant_suspended'
                   WHEN c.id IS NULL THEN 'credential_unknown'
                   WHEN c.revoked_at IS NOT NULL THEN 'credential_revoked'
                   WHEN c.expires_at <= v_now THEN 'credential_expired'
                   WHEN l.id IS NULL THEN 'credential_unknown'
                   WHEN l.valid_until <= v_now THEN 'login_expired'
                   WHEN (m.sender_domain = ANY (d.domains) OR m.sender_domain = '' AND t.null_sender) IS NOT TRUE
                       THEN 'sender_domain'
                   WHEN (m.from_domain = ANY (d.domains)) IS NOT TRUE OR o.found THEN 'from_domain'
               END AS refusal,
               m.sender_domain,
               CASE WHEN (m.from_domain = ANY (d.domains)) IS TRUE THEN o.domain ELSE m.from_domain END AS from_domain,
               c.daily_cap AS credential_cap, uc.recipients AS credential_used,
               k.message_id AS first_id
        FROM (
            -- Each tenant once, as it is now.
            SELECT n.tenant_id, t.id = ANY (v_locked) AS known, t.status, t.reason, t.daily_cap, t.monthly_cap,
                   t.daily_window, t.rate, t.burst, t.message_size, t.recipients_per_message, t.policy, t.resubmission,
                   t.null_sender, z.zone, z.day, z.month, ud.recipients AS day_used, um.recipients AS month_used
            FROM (SELECT DISTINCT u.tenant_id FROM unnest(tenant_ids) AS u (tenant_id)) AS n
            LEFT JOIN gatepost.tenant t ON t.id = n.tenant_id
            LEFT JOIN LATERAL (
                SELECT y.zone, (v_now AT TIME ZONE y.zone)::date AS day,
                       date_trunc('month', v_now AT TIME ZONE y.zone)::date AS month
                FROM (SELECT CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END AS zone OFFSET 0) AS y
            ) AS z ON true
            LEFT JOIN LATERAL (
                SELECT u.recipients FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = z.day OFFSET 0
            ) AS ud ON true
            LEFT JOIN LATERAL (
                SELECT u.recipients FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = z.month OFFSET 0
            ) AS um ON true
            OFFSET 0
        ) AS t
        JOIN unnest(ids, tenant_ids, credential_ids, login_ids, sizes, v_sizes, digests, sender_domains, from_domains)
            WITH ORDINALITY AS m (id, tenant_id, credential_id, login_id, size, recipients, digest, sender_domain,
                                  from_domain, ord)
            ON m.tenant_id IS NOT DISTINCT FROM t.tenant_id
        LEFT JOIN LATERAL (
            SELECT c.* FROM gatepost.credential c WHERE c.tenant_id = t.tenant_id AND c.id = m.credential_id OFFSET 0
        ) AS c ON true
        LEFT JOIN LATERAL (
            SELECT l.* FROM gatepost.login l
            WHERE l.tenant_id = t.tenant_id AND l.credential_id = m.credential_id AND l.id = m.login_id OFFSET 0
        ) AS l ON true
        LEFT JOIN LATERAL (
            SELECT k.* FROM gatepost.recent k
            WHERE k.tenant_id = t.tenant_id AND k.credential_id = m.credential_id AND k.digest = m.digest OFFSET 0
        ) AS k ON k.at > v_now - interval '10 minutes'
        LEFT JOIN LATERAL (
            SELECT u.recipients FROM gatepost.usage u
            WHERE u.tenant_id = t.tenant_id AND u.credential_id = c.id AND u.period = 'day' AND u.starts = t.day
            OFFSET 0
        ) AS uc ON true
        CROSS JOIN LATERAL (
            SELECT ARRAY(
                SELECT x.domain FROM (VALUES (m.sender_domain), (m.from_domain)) AS v (domain)
                CROSS JOIN LATERAL (
                    SELECT d.domain, d.verified_at FROM gatepost.sender_domain d
                    WHERE d.tenant_id = t.tenant_id AND d.domain = v.domain OFFSET 0) AS x
                WHERE x.verified_at IS NOT NULL) AS domains
            OFFSET 0
        ) AS d
        LEFT JOIN LATERAL (
            -- The first further author whose domain is not the tenant's.
            SELECT a.domain, true AS found
            FROM unnest(author_messages, author_domains) WITH ORDINALITY AS a (message, domain, place)
            WHERE v_authors > 0 AND a.message = m.ord AND NOT EXISTS (
                SELECT FROM gatepost.sender_domain x
                WHERE x.tenant_id = t.tenant_id AND x.domain = a.domain AND x.verified_at IS NOT NULL)
            ORDER BY a.place LIMIT 1
        ) AS o ON true
        ORDER BY t.tenant_id, m.ord
    LOOP
        IF r.tenant_id IS DISTINCT FROM v_tenant OR v_day_used IS NULL THEN
            v_tenant := r.tenant_id;
            v_day_used := coalesce(r.day_used, 0);
            v_month_used := coalesce(r.month_used, 0);
            IF r.daily_window = 'rolling' THEN
                v_day_used := (gatepost.rolling(v_tenant, v_now, NULL, NULL)).used;
            END IF;
            v_debt := NULL;
            IF r.rate IS NOT NULL THEN
                SELECT m.debt, extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000
                INTO v_debt, v_elapsed FROM gatepost.meter m WHERE m.tenant_id = v_tenant;
                v_debt := CASE WHEN v_elapsed > v_debt / r.rate THEN 0  -- drained; else the product fits a bigint
                               -- a clock that went back drains nothing
                               ELSE v_debt - r.rate * greatest(0, v_elapsed) END;
                d_tenants := d_tenants || v_tenant;
                d_debts := d_debts || v_debt;
            END IF;
            v_credentials := '{}';
            v_credential_used := '{}';
        END IF;

        DECLARE  -- (What is declared here is null again for each message, at no cost.)
            c int;                        -- where in v_credentials
            v_verdict text;
            v_first uuid;
            v_key bytea;
            v_limit text;
            v_cap bigint;
            v_used bigint;
            v_detail text;
            v_resets_at timestamptz;
            v_resets_text text;
            v_remaining bigint;
        BEGIN
            IF r.refusal IS NOT NULL THEN
                v_verdict := r.refusal;
                v_detail := CASE r.refusal WHEN 'tenant_suspended' THEN r.reason
                                           WHEN 'sender_domain' THEN r.sender_domain
                                           WHEN 'from_domain' THEN r.from_domain END;
            ELSE
                IF r.digest IS NOT NULL AND r.resubmission THEN
                    v_first := r.first_id;
                    v_key := int8send(r.tenant_id) || int8send(r.credential_id) || r.digest;
                    IF v_first IS NULL AND v_count > 1 THEN
                        v_first := ids[w_key_ords[array_position(w_keys, v_key)]];
                    END IF;
                END IF;
                c := array_position(v_credentials, r.credential_id);
                IF c IS NULL THEN
                    c := cardinality(v_credentials) + 1;
                    v_credentials[c] := r.credential_id;
                    v_credential_used[c] := coalesce(r.credential_used, 0);
                END IF;

                IF v_first IS NOT NULL THEN
                    v_verdict := 'resubmitted';
                ELSIF r.size > r.message_size THEN
                    v_verdict := 'message_size';
                    v_limit := 'message_size';
                    v_cap := r.message_size;
                    v_used := r.size;
                ELSIF r.recipients > r.recipients_per_message THEN
                    v_verdict := 'too_many_recipients';
                    v_limit := 'recipients_per_message';
                    v_cap := r.recipients_per_message;
                    v_used := r.recipients;
                ELSIF v_day_used + r.recipients > r.daily_cap THEN
                    v_verdict := 'cap_daily';
                    v_limit := 'daily';
                    v_cap := r.daily_cap;
                    v_used := v_day_used;
                    IF r.daily_window = 'rolling' THEN
                        v_resets_at := (gatepost.rolling(r.tenant_id, v_now, v_cap - v_day_used
                            + (gatepost.rolling(r.tenant_id, v_now, NULL, NULL)).used, r.recipients)).resets_at;
                        v_resets_text := gatepost.instant_text(v_resets_at, r.zone);
                    ELSE
                        SELECT e.* INTO v_resets_at, v_resets_text FROM gatepost.reset(r.tenant_id, v_now, 'day') e;
                    END IF;
                ELSIF v_month_used + r.recipients > r.monthly_cap THEN
                    v_verdict := 'cap_monthly';
                    v_limit := 'monthly';
                    v_cap := r.monthly_cap;
                    v_used := v_month_used;
                    SELECT e.* INTO v_resets_at, v_resets_text FROM gatepost.reset(r.tenant_id, v_now, 'month') e;
                ELSIF v_credential_used[c] + r.recipients > r.credential_cap THEN
                    v_verdict := 'cap_credential_daily';
                    v_limit := 'credential_daily';
                    v_cap := r.credential_cap;
                    v_used := v_credential_used[c];
                    SELECT e.* INTO v_resets_at, v_resets_text FROM gatepost.reset(r.tenant_id, v_now, 'day') e;
                ELSIF v_debt > 0 AND v_debt + r.recipients * 60000000::bigint > r.burst * 60000000 THEN
                    -- (A full bucket, debt 0, lets any message through; it is paid off afterwards.)
                    v_verdict := 'rate';
                    v_limit := 'rate';
                    v_cap := r.rate;
                    v_used := ceil(v_debt / 60000000.0);
                    v_detail := 'burst ' || r.burst;
                    v_resets_at := v_now + interval '1 microsecond'
                        * ceil((v_debt - greatest(0, r.burst - r.recipients) * 60000000.0) / r.rate);
                    v_resets_text := gatepost.instant_text(v_resets_at, r.zone);
                ELSE
                    v_verdict := 'accepted';
                    v_first := r.id;
                    v_day_used := v_day_used + r.recipients;
                    v_month_used := v_month_used + r.recipients;
                    v_credential_used[c] := v_credential_used[c] + r.recipients;
                    IF v_debt IS NOT NULL THEN
                        v_debt := v_debt + r.recipients * 60000000::bigint;
                        d_debts[cardinality(d_debts)] := v_debt;
                    END IF;
                    v_remaining := least(r.daily_cap - v_day_used, r.monthly_cap - v_month_used,
                                         r.credential_cap - v_credential_used[c]);
                    w_ords := w_ords || r.ord;
                    w_days := w_days || r.day;
                    w_months := w_months || r.month;
                    IF v_key IS NOT NULL THEN
                        w_keys := w_keys || v_key;
                        w_key_ords := w_key_ords || r.ord;
                    END IF;
                END IF;
            END IF;

            IF v_verdict <> 'accepted' THEN
                w_refused := w_refused || r.ord;
            END IF;
            v_out[r.ord] := ROW(r.id, v_verdict, v_first, v_limit, v_cap, v_used, v_resets_at, v_resets_text,
                                CASE WHEN v_resets_at IS NOT NULL THEN r.policy END, v_detail, v_remaining,
                                v_now)::ledger.verdict;
        END;
    END LOOP;

    -- 5. Write what was decided.
    IF cardinality(w_ords) > 0 THEN
        WITH debit AS (
            INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients, bytes,
                                         reason, at)
            SELECT tenant_ids[n.ord], ids[n.ord], 0, credential_ids[n.ord], n.day, n.month, v_sizes[n.ord],
                   sizes[n.ord], 'accept', v_now
            FROM unnest(w_ords, w_days, w_months) AS n (ord, day, month)
            RETURNING tenant_id, credential_id, day, month, recipients, bytes
        ), hour AS (
            INSERT INTO gatepost.usage_hour AS u (tenant_id, starts, recipients)
            SELECT d.tenant_id, v_hour, sum(d.recipients) FROM debit d GROUP BY d.tenant_id
            ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE SET recipients = u.recipients + excluded.recipients
        )
        INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes)
        SELECT d.tenant_id, x.credential_id, x.period, x.starts, sum(d.recipients), count(*), sum(d.bytes)
        FROM debit d
        CROSS JOIN LATERAL (VALUES (0::bigint, 'day', d.day), (0, 'month', d.month), (d.credential_id, 'day', d.day))
            AS x (credential_id, period, starts)
        GROUP BY d.tenant_id, x.credential_id, x.period, x.starts
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
            SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                bytes = u.bytes + excluded.bytes;
    END IF;
    IF cardinality(w_keys) > 0 THEN
        INSERT INTO gatepost.recent (tenant_id, credential_id, digest, message_id, at)
        SELECT tenant_ids[n.ord], credential_ids[n.ord], substring(n.key FROM 17), ids[n.ord], v_now
        FROM unnest(w_key_ords, w_keys) AS n (ord, key)
        ON CONFLICT ON CONSTRAINT recent_pkey DO UPDATE SET message_id = excluded.message_id, at = excluded.at;
    END IF;
    IF cardinality(d_tenants) > 0 AND cardinality(w_ords) > 0 THEN
        UPDATE gatepost.meter m SET debt = n.debt, debt_at = v_now
        FROM unnest(d_tenants, d_debts) AS n (tenant_id, debt) WHERE m.tenant_id = n.tenant_id;
    END IF;
    -- (The range lets all partitions but one or two be skipped before they are opened.)
    IF cardinality(w_refused) > 0 THEN
        DELETE FROM gatepost.recipient d USING unnest(w_refused) AS n (ord)
        WHERE d.tenant_id = coalesce(tenant_ids[n.ord], 0) AND d.message_id = ids[n.ord]
          AND d.message_id BETWEEN v_low AND v_high;
        DELETE FROM gatepost.body d USING unnest(w_refused) AS n (ord)
        WHERE d.tenant_id = coalesce(tenant_ids[n.ord], 0) AND d.message_id = ids[n.ord]
          AND d.message_id BETWEEN v_low AND v_high;
        DELETE FROM gatepost.message d USING unnest(w_refused) AS n (ord)
        WHERE d.tenant_id = coalesce(tenant_ids[n.ord], 0) AND d.id = ids[n.ord]
          AND d.id BETWEEN v_low AND v_high;
    END IF;
    UPDATE gatepost.batch b SET verdicts = v_out WHERE b.id = accept.batch;
    FOREACH v_said IN ARRAY v_out LOOP
        RETURN NEXT v_said;
    END LOOP;
END
$$;

ALTER FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[]) TO gatepost_node;
