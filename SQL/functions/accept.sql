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
--            sessions                               of each message, for its event
--            from_messages, from_addresses          whom the header speaks for, and in which message; any number. Read
--                                                   where a credential has senders of its own; a message without any
--                                                   is judged by its domains alone
--   Out    one row per message, in order. verdict is one of
--            accepted               queue_id = id; remaining: the smallest cap's rest in recipients, null: unlimited;
--                                   detail: 'test' for a credential in test mode (stored as final, never forwarded);
--                                   else 'suppressed 2 5': the recipients of these numbers were dropped, neither stored
--                                   nor charged
--            resubmitted            queue_id = the first message's id; nothing stored, nothing charged
--            stale_id               some id of the batch was more than 60 s off: every message says so, nothing was
--                                   written (no batch row either); send again with new ids made from `clock`
--            tenant_unknown, tenant_suspended (detail: the reason), credential_unknown, credential_revoked,
--            credential_suspended (detail: the reason), credential_expired, credential_not_yet (detail: since when),
--            login_expired, sender_domain, from_domain (detail: the domain, an author's),
--            sender_address (detail: the address, or domain, that the credential may not send as),
--            message_size, too_many_recipients (cap, used = this message's; limit_name may be bytes_daily: it is larger
--            than all octets of a day),
--            suppressed (every recipient; used = how many, detail: the first of them and why),
--            cap_daily, cap_monthly, cap_credential_daily, cap_credential_monthly, cap_bytes_daily,
--            cap_credential_bytes_daily, cap_first_time, rate, credential_rate (cap, used, resets_at, resets_text,
--            policy)
--          limit_name: daily, monthly, bytes_daily, first_time_daily, rate, message_size, recipients_per_message, and
--          credential_daily, credential_monthly, credential_bytes_daily, credential_rate, credential_message_size,
--          credential_recipients_per_message
--          resets_text: ISO 8601 in the tenant's zone. policy: 'defer' or 'reject'. clock: the instant decided at,
--          on every row.
--          Events: accepted, refused, resubmitted (each with the message's own id for its id; the last is of the first
--          message's queue id; stale_id leaves none),
--          suppressed (one per recipient that its tenant does not write to any more, see gatepost.suppression; with its
--          address and the reason), would_refuse (a proposed cap's), limit_warning (with the row in warning: a cap in force was used to one of
--          the tenant's warn_percents, once in each of its days or months).
--   Raises 23505 on batch_pkey: the batch was fenced, give up. 55P03: a meter was not had in time (50 ms if the batch
--          has several tenants: split it by tenant; 1 s if it has one). 22023, 23502: malformed arrays.
--   Locks  batch, then the meters in tenant order. usage and its like, recent, credential_rate, correspondent and
--          warning under the meter only.
--   Repeat fails on batch_pkey.    Role  gatepost_node, in a transaction of its own, READ COMMITTED
DROP FUNCTION IF EXISTS ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[]);
CREATE OR REPLACE FUNCTION ledger.accept(
    batch uuid, owner uuid,
    ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[],
    senders text[], sender_domains text[], from_domains text[],
    bodies bytea[], sizes bigint[], digests bytea[],
    clients text[], helos bytea[], message_id_headers text[],
    recipient_messages int[], recipient_addresses text[], recipient_domains text[],
    body_types text[] DEFAULT NULL, smtputf8s boolean[] DEFAULT NULL, rets text[] DEFAULT NULL,
    envids text[] DEFAULT NULL, recipient_notifies int[] DEFAULT NULL, recipient_orcpts text[] DEFAULT NULL,
    author_messages int[] DEFAULT NULL, author_domains text[] DEFAULT NULL,
    sessions uuid[] DEFAULT NULL, from_messages int[] DEFAULT NULL, from_addresses text[] DEFAULT NULL
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
    v_now timestamptz := gatepost.clock();  -- before the lock: for ids and rows; after it: for every decision
    v_low uuid := gatepost.uuid_floor(v_now - interval '60 seconds');
    v_high uuid := gatepost.uuid_floor(v_now + interval '60 seconds');
    v_hour timestamptz;
    v_sizes int[];                        -- recipients of each message
    v_numbers int[];                      -- each recipient's number within its message
    v_offsets int[];                      -- each message's first recipient
    v_total bigint := cardinality(recipient_messages);
    v_offered int[];                      -- v_sizes with the recipients that are dropped
    v_dropped int[];                      -- recipients whom their tenant does not write to any more, and why
    v_drop_reasons text[];
    v_gone boolean[];                     -- of each recipient, where any is: dropped
    v_number int;
    v_authors int := coalesce(cardinality(author_domains), 0);  -- further ones
    v_fits boolean;                       -- all of it, without more ado
    v_any boolean;                        -- first-time recipients: room for all, whoever is new; null: no such limit
    v_new bigint := 0;                    -- how many are, and hashes to be written
    v_met bytea[];
    v_percent int;
    v_remaining bigint;
    v_credential_debt bigint;
    v_timeout text;
    v_locked bigint[];
    v_out ledger.verdict[];
    v_said ledger.verdict;
    r record;

    -- The tenant being decided: its counters as they are after the messages accepted so far.
    v_tenant bigint;
    v_day_used bigint;
    v_month_used bigint;
    v_bytes_used bigint;
    v_first_used bigint;                  -- first-time recipients
    v_test_used bigint;                   -- of credentials in test mode, which count apart; null: not read yet
    v_test_bytes bigint;
    v_shadow_day bigint;                  -- as day, month and bytes, without what a proposed cap would have refused
    v_shadow_month bigint;
    v_shadow_bytes bigint;
    v_debt bigint;                        -- the rate's bucket, see gatepost.meter
    v_elapsed bigint;                     -- microseconds
    v_credentials bigint[];               -- its credentials, and what each has used today, in the month, in octets
    v_credential_used bigint[];
    v_credential_month bigint[];
    v_credential_bytes bigint[];
    v_credential_debts int[];             -- where in c_debts its bucket is

    -- Recipients and whom their tenant knows, read when the first tenant asks for it.
    v_today date;                         -- of UTC
    v_hashes bytea[];
    v_news int[];                         -- 0 known; else the first recipient of the batch that is the same one
    v_olds boolean[];                     -- to be written, for it was not yet written today
    v_seen boolean[];                     -- the new ones of messages accepted so far

    -- What is to be written when all is decided: empty arrays, once it is clear that they are needed. (Whatever is set
    -- here is set at every call, for a microsecond each.)
    w_ords int[];                       -- accepted messages, with the day and month that pay
    w_days date[];
    w_months date[];
    w_firsts int[];                     -- how many of its recipients are first-time ones
    w_shadows boolean[];                -- a proposed cap would have refused it
    w_tests int[];                      -- accepted messages that are never forwarded, and their day
    w_test_days date[];
    w_met int[];                        -- recipients that their tenant knows now
    e_ords int[];                       -- what a proposed cap would have said, and to which message
    e_details jsonb[];
    n_ords int[];                       -- messages with which a cap was used to a percent that is warned of, if it
    n_days date[];                      -- was not before; and what was used then
    n_day bigint[];
    n_month bigint[];
    n_bytes bigint[];
    n_credential_day bigint[];
    n_credential_month bigint[];
    n_credential_bytes bigint[];
    c_tenants bigint[];                 -- the rate buckets of credentials
    c_credentials bigint[];
    c_debts bigint[];
    w_refused int[];
    w_drops int[];                      -- messages of which recipients are dropped
    w_keys bytea[];                     -- resubmission keys: tenant, credential, digest in one; and whose
    w_key_ords int[];
    d_tenants bigint[];                 -- rate buckets
    d_debts bigint[];
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

    IF v_total = v_count AND v_total > 4 AND recipient_messages = ARRAY(SELECT generate_series(1, v_count)) THEN
        -- (One each: most mail is so, and a step of a loop costs a microsecond.)
        v_sizes := array_fill(1, ARRAY[v_count]);
        v_numbers := v_sizes;
        v_offsets := recipient_messages;
    ELSE
        v_sizes := array_fill(0, ARRAY[v_count]);
        v_offsets := v_sizes;
        v_numbers := array_fill(0, ARRAY[cardinality(recipient_messages)]);
        FOR i IN 1..cardinality(recipient_messages) LOOP
            v_number := v_sizes[recipient_messages[i]] + 1;
            v_sizes[recipient_messages[i]] := v_number;
            v_numbers[i] := v_number;
            IF v_number = 1 THEN
                v_offsets[recipient_messages[i]] := i;
            END IF;
        END LOOP;
    END IF;
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
    -- (One statement, whose own INSERT, the fence's, is run before those of its WITH.)
    WITH message AS (
        INSERT INTO gatepost.message (tenant_id, id, credential_id, login_id, accepted_at, size, recipients, client,
                                      digest, sender, from_domain, helo, message_id_header, body_type, smtputf8, ret,
                                      envid)
        SELECT coalesce(m.tenant_id, 0), m.id, coalesce(m.credential_id, 0), coalesce(m.login_id, 0), v_now, m.size,
               m.recipients, m.client::inet, m.digest, m.sender, m.from_domain, m.helo, m.header,
               coalesce(m.body_type, '8bitmime'), coalesce(m.smtputf8, false), m.ret, m.envid
        FROM unnest(ids, tenant_ids, credential_ids, login_ids, sizes, v_sizes, clients, digests, senders,
                    from_domains, helos, message_id_headers, body_types, smtputf8s, rets, envids)
            AS m (id, tenant_id, credential_id, login_id, size, recipients, client, digest, sender, from_domain, helo,
                header, body_type, smtputf8, ret, envid)
    ), body AS (
        INSERT INTO gatepost.body (tenant_id, message_id, content)
        SELECT coalesce(m.tenant_id, 0), m.id, m.content
        FROM unnest(tenant_ids, ids, bodies) AS m (tenant_id, id, content)
    ), recipient AS (
        INSERT INTO gatepost.recipient (tenant_id, message_id, number, owner_id, next_attempt, state, address, domain,
                                        notify, orcpt)
        SELECT coalesce(tenant_ids[m.message], 0), ids[m.message], m.number, accept.owner, v_now, 'queued', m.address,
            m.domain, m.notify, m.orcpt
        FROM unnest(recipient_messages, v_numbers, recipient_addresses, recipient_domains, recipient_notifies,
                    recipient_orcpts)
            AS m (message, number, address, domain, notify, orcpt)
    )
    INSERT INTO gatepost.batch (id, at) VALUES (accept.batch, v_now);

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
    v_now := gatepost.clock();
    v_hour := date_trunc('hour', v_now, 'UTC');

    -- 4. Decide. First the common case: one sender (so any lone message), and all of it fits under every limit, the
    -- proposed ones too. Whatever is not so plain (a refusal, a resubmission, a warning, several authors, a rolling
    -- day, test mode) finds nothing here and is judged below. What few tenants have is asked for only where they do:
    -- in one statement with the rest it would cost everybody.
    IF v_authors = 0 AND tenant_ids[1] = ALL (tenant_ids) AND credential_ids[1] = ALL (credential_ids)
        AND login_ids[1] = ALL (login_ids) AND sender_domains[1] = ALL (sender_domains)
        AND from_domains[1] = ALL (from_domains)
    THEN
        SELECT t.day, t.month, t.resubmission, b.bytes, t.warn_percents, t.daily_cap, t.monthly_cap, t.bytes_daily_cap,
               t.rate, t.burst, t.first_time_daily_cap, t.shadow_daily_cap, t.shadow_monthly_cap,
               t.shadow_bytes_daily_cap, t.shadow_first_time_daily_cap,
               c.daily_cap AS credential_cap, c.monthly_cap AS credential_monthly_cap,
               c.bytes_daily_cap AS credential_bytes_cap, c.rate AS credential_rate, c.burst AS credential_burst,
               c.senders AS credential_senders,
               coalesce(ud.recipients, 0) + v_total AS day_used, coalesce(um.recipients, 0) + v_total AS month_used,
               coalesce(ud.bytes, 0) + b.bytes AS bytes_used, coalesce(uc.recipients, 0) + v_total AS credential_used,
               coalesce(uc.bytes, 0) + b.bytes AS credential_bytes_used,
               -- (The sum of its days.)
               CASE WHEN c.monthly_cap IS NOT NULL THEN v_total + (
                   SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                   WHERE u.tenant_id = t.id AND u.credential_id = c.id AND u.period = 'day' AND u.starts >= t.month
                     AND u.starts < t.month + interval '1 month') END::bigint AS credential_month,
               coalesce(ud.first_time, 0) AS first_used, coalesce(ud.shadow_recipients, 0) AS shadow_day,
               coalesce(um.shadow_recipients, 0) AS shadow_month, coalesce(ud.shadow_bytes, 0) AS shadow_bytes,
               coalesce(t.rate, t.first_time_daily_cap, t.shadow_daily_cap, t.shadow_monthly_cap,
                        t.shadow_bytes_daily_cap, t.shadow_first_time_daily_cap, c.rate, c.monthly_cap,
                        cardinality(c.senders)) IS NOT NULL AS has_more,
               EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = tenant_ids[1]) AS suppresses
        INTO r
        FROM (SELECT sum(s.size)::bigint AS bytes FROM unnest(sizes) AS s (size) OFFSET 0) AS b
        CROSS JOIN (
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
            SELECT u.recipients, u.bytes, u.first_time, u.shadow_recipients, u.shadow_bytes FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = t.day OFFSET 0
        ) AS ud ON true
        LEFT JOIN LATERAL (
            SELECT u.recipients, u.shadow_recipients FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = t.month OFFSET 0
        ) AS um ON true
        LEFT JOIN LATERAL (
            SELECT u.recipients, u.bytes FROM gatepost.usage u
            WHERE u.tenant_id = t.id AND u.credential_id = c.id AND u.period = 'day' AND u.starts = t.day OFFSET 0
        ) AS uc ON true
        WHERE t.id = ANY (v_locked) AND t.status = 'active' AND t.daily_window = 'day' AND c.mode = 'live'
          AND least(t.message_size, c.message_size) >= ALL (sizes)
          AND least(t.recipients_per_message, c.recipients_per_message) >= ALL (v_sizes)
          AND c.revoked_at IS NULL AND c.suspended_at IS NULL AND (c.expires_at <= v_now) IS NOT TRUE
          AND (c.not_before > v_now) IS NOT TRUE
          AND (l.valid_until <= v_now) IS NOT TRUE
          AND (sender_domains[1] = '' AND t.null_sender OR EXISTS (
              SELECT FROM gatepost.sender_domain d
              WHERE d.tenant_id = tenant_ids[1] AND d.domain = sender_domains[1] AND d.verified_at IS NOT NULL))
          AND (sender_domains[1] = from_domains[1] AND from_domains[1] <> '' OR EXISTS (
              SELECT FROM gatepost.sender_domain d
              WHERE d.tenant_id = tenant_ids[1] AND d.domain = from_domains[1] AND d.verified_at IS NOT NULL))
          AND (coalesce(ud.recipients, 0) + v_total <= t.daily_cap) IS NOT FALSE
          AND (coalesce(um.recipients, 0) + v_total <= t.monthly_cap) IS NOT FALSE
          AND (coalesce(ud.bytes, 0) + b.bytes <= t.bytes_daily_cap) IS NOT FALSE
          AND (coalesce(uc.recipients, 0) + v_total <= c.daily_cap) IS NOT FALSE
          AND (coalesce(uc.bytes, 0) + b.bytes <= c.bytes_daily_cap) IS NOT FALSE
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
        v_fits := FOUND;
        IF v_fits AND r.suppresses THEN
            -- (Only tenants that suppress anybody are asked whom.)
            v_fits := NOT EXISTS (
                SELECT FROM unnest(recipient_addresses) AS a (address)
                CROSS JOIN LATERAL (
                    SELECT s.until FROM gatepost.suppression s
                    WHERE s.tenant_id = tenant_ids[1] AND s.address = lower(a.address) OFFSET 0) AS s
                WHERE (s.until <= v_now) IS NOT TRUE);
        END IF;
        IF v_fits AND r.has_more THEN
            v_fits := (r.credential_month <= r.credential_monthly_cap) IS NOT FALSE
                AND (r.day_used - r.shadow_day <= r.shadow_daily_cap) IS NOT FALSE
                AND (r.month_used - r.shadow_month <= r.shadow_monthly_cap) IS NOT FALSE
                AND (r.bytes_used - r.shadow_bytes <= r.shadow_bytes_daily_cap) IS NOT FALSE;
            IF v_fits AND r.credential_senders IS NOT NULL THEN
                v_fits := (SELECT count(DISTINCT f.message) FROM unnest(from_messages) AS f (message)) = v_count
                    AND NOT EXISTS (
                        SELECT FROM unnest(accept.senders || from_addresses) AS a (address)
                        WHERE a.address <> '' AND NOT EXISTS (
                            SELECT FROM unnest(r.credential_senders) AS x (sender)
                            WHERE lower(x.sender) IN (lower(a.address), lower(split_part(a.address, '@', -1)))));
            END IF;
            IF v_fits AND r.rate IS NOT NULL THEN
                -- (A full bucket lets any one message through, which is then paid off. See below for the rest.)
                SELECT m.debt, extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000
                INTO v_debt, v_elapsed FROM gatepost.meter m WHERE m.tenant_id = tenant_ids[1];
                v_debt := v_total * 60000000 + CASE WHEN v_elapsed > v_debt / r.rate THEN 0
                                                    ELSE v_debt - r.rate * greatest(0, v_elapsed) END;
                v_fits := v_debt <= r.burst * 60000000 OR v_count = 1 AND v_debt = v_total * 60000000;
            END IF;
            IF v_fits AND r.credential_rate IS NOT NULL THEN
                SELECT m.debt, extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000
                INTO v_credential_debt, v_elapsed FROM gatepost.credential_rate m
                WHERE m.tenant_id = tenant_ids[1] AND m.credential_id = credential_ids[1];
                v_credential_debt := v_total * 60000000 + CASE
                    WHEN v_credential_debt IS NULL OR v_elapsed > v_credential_debt / r.credential_rate THEN 0
                    ELSE v_credential_debt - r.credential_rate * greatest(0, v_elapsed) END;
                v_fits := v_credential_debt <= r.credential_burst * 60000000
                    OR v_count = 1 AND v_credential_debt = v_total * 60000000;
            END IF;
            IF coalesce(r.first_time_daily_cap, r.shadow_first_time_daily_cap) IS NOT NULL THEN
                v_today := (v_now AT TIME ZONE 'UTC')::date;
                v_any := r.first_used + v_total <= least(r.first_time_daily_cap, r.shadow_first_time_daily_cap);
            END IF;
            IF v_fits AND NOT v_any THEN
                SELECT count(*) FILTER (WHERE (k.last_day >= v_today - 90) IS NOT TRUE), array_agg(h.hash)
                INTO v_new, v_met
                FROM (SELECT DISTINCT substring(sha256(convert_to(a.address, 'UTF8')) FOR 16) AS hash
                      FROM unnest(recipient_addresses) AS a (address) OFFSET 0) AS h
                LEFT JOIN LATERAL (
                    SELECT k.last_day FROM gatepost.correspondent k
                    WHERE k.tenant_id = tenant_ids[1] AND k.address = h.hash OFFSET 0) AS k ON true
                WHERE (k.last_day >= v_today) IS NOT TRUE;
                v_fits := v_new = 0
                    OR r.first_used + v_new <= least(r.first_time_daily_cap, r.shadow_first_time_daily_cap);
            END IF;
        END IF;
        v_percent := r.warn_percents[1];  -- the lowest, for they are kept in order
        IF v_fits AND v_percent IS NOT NULL AND (
            r.day_used >= r.daily_cap / 100 * v_percent OR r.month_used >= r.monthly_cap / 100 * v_percent
            OR r.bytes_used >= r.bytes_daily_cap / 100 * v_percent
            OR r.credential_used >= r.credential_cap / 100 * v_percent
            OR r.credential_month >= r.credential_monthly_cap / 100 * v_percent
            OR r.credential_bytes_used >= r.credential_bytes_cap / 100 * v_percent)
        THEN
            -- A percent that is reached, or nearly: has it been warned of? (The sum is exact, and does not overflow.)
            v_fits := NOT EXISTS (
                SELECT FROM (
                    VALUES (0::bigint, 'daily', r.day, r.daily_cap, r.day_used),
                           (0, 'monthly', r.month, r.monthly_cap, r.month_used),
                           (0, 'bytes_daily', r.day, r.bytes_daily_cap, r.bytes_used),
                           (credential_ids[1], 'credential_daily', r.day, r.credential_cap, r.credential_used),
                           (credential_ids[1], 'credential_monthly', r.month, r.credential_monthly_cap,
                            r.credential_month),
                           (credential_ids[1], 'credential_bytes_daily', r.day, r.credential_bytes_cap,
                            r.credential_bytes_used)
                ) AS x (credential_id, limit_name, starts, cap, used)
                CROSS JOIN unnest(r.warn_percents) AS p (percent)
                WHERE x.used >= x.cap / 100 * p.percent + (x.cap % 100 * p.percent + 99) / 100 AND NOT EXISTS (
                    SELECT FROM gatepost.warning w
                    WHERE w.tenant_id = tenant_ids[1] AND w.credential_id = x.credential_id
                      AND w.limit_name = x.limit_name AND w.starts = x.starts AND w.percent = p.percent));
        END IF;
        IF v_fits THEN
            -- 5. Write it.
            IF v_any THEN
                WITH k AS MATERIALIZED (
                    SELECT h.hash, k.last_day
                    FROM (SELECT DISTINCT substring(sha256(convert_to(a.address, 'UTF8')) FOR 16) AS hash
                          FROM unnest(recipient_addresses) AS a (address) OFFSET 0) AS h
                    LEFT JOIN LATERAL (
                        SELECT k.last_day FROM gatepost.correspondent k
                        WHERE k.tenant_id = tenant_ids[1] AND k.address = h.hash OFFSET 0) AS k ON true
                    WHERE (k.last_day >= v_today) IS NOT TRUE
                ), met AS (
                    INSERT INTO gatepost.correspondent (tenant_id, address, last_day)
                    SELECT tenant_ids[1], k.hash, v_today FROM k
                    ON CONFLICT ON CONSTRAINT correspondent_pkey DO UPDATE SET last_day = excluded.last_day
                )
                SELECT count(*) INTO v_new FROM k WHERE (k.last_day >= v_today - 90) IS NOT TRUE;
            ELSIF cardinality(v_met) > 0 THEN
                INSERT INTO gatepost.correspondent (tenant_id, address, last_day)
                SELECT tenant_ids[1], n.hash, v_today FROM unnest(v_met) AS n (hash)
                ON CONFLICT ON CONSTRAINT correspondent_pkey DO UPDATE SET last_day = excluded.last_day;
            END IF;
            IF r.rate IS NOT NULL THEN
                UPDATE gatepost.meter m SET debt = v_debt, debt_at = v_now WHERE m.tenant_id = tenant_ids[1];
            END IF;
            IF r.credential_rate IS NOT NULL THEN
                INSERT INTO gatepost.credential_rate AS k (tenant_id, credential_id, debt, debt_at)
                VALUES (tenant_ids[1], credential_ids[1], v_credential_debt, v_now)
                ON CONFLICT ON CONSTRAINT credential_rate_pkey DO UPDATE
                    SET debt = excluded.debt, debt_at = excluded.debt_at;
            END IF;
            v_remaining := least(r.daily_cap - r.day_used, r.monthly_cap - r.month_used,
                                 r.credential_cap - r.credential_used, r.credential_monthly_cap - r.credential_month);
            -- (One statement, for each costs as much as the row that it writes.)
            WITH debit AS (
                INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients,
                                             bytes, reason, at)
                SELECT tenant_ids[1], n.id, 0, credential_ids[1], r.day, r.month, n.recipients, n.size, 'accept', v_now
                FROM unnest(ids, v_sizes, sizes) AS n (id, recipients, size)
            ), counted AS (
                INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes,
                                                 first_time)
                VALUES (tenant_ids[1], 0, 'day', r.day, v_total, v_count, r.bytes, v_new),
                       (tenant_ids[1], 0, 'month', r.month, v_total, v_count, r.bytes, v_new),
                       (tenant_ids[1], credential_ids[1], 'day', r.day, v_total, v_count, r.bytes, v_new)
                ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
                    SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                        bytes = u.bytes + excluded.bytes, first_time = u.first_time + excluded.first_time
            ), hour AS (
                INSERT INTO gatepost.usage_hour AS u (tenant_id, starts, recipients)
                VALUES (tenant_ids[1], v_hour, v_total)
                ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE SET recipients = u.recipients + excluded.recipients
            ), domain AS (
                INSERT INTO gatepost.usage_domain AS u (tenant_id, domain, starts, recipients, messages, bytes)
                VALUES (tenant_ids[1], from_domains[1], r.day, v_total, v_count, r.bytes)
                ON CONFLICT ON CONSTRAINT usage_domain_pkey DO UPDATE
                    SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                        bytes = u.bytes + excluded.bytes
            ), event AS (
                -- (A message's id is free for its event, and saves the making of another.)
                INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session)
                SELECT tenant_ids[1], n.id, v_now, 'accepted', n.id, credential_ids[1], n.session
                FROM unnest(ids, sessions) AS n (id, session)
            ), key AS (
                INSERT INTO gatepost.recent (tenant_id, credential_id, digest, message_id, at)
                SELECT tenant_ids[1], credential_ids[1], n.digest, n.id, v_now
                FROM unnest(digests, ids) AS n (digest, id) WHERE r.resubmission AND n.digest IS NOT NULL
                ON CONFLICT ON CONSTRAINT recent_pkey DO UPDATE SET message_id = excluded.message_id, at = excluded.at
            )
            UPDATE gatepost.batch b
            SET verdicts = ARRAY(SELECT ROW(i.id, 'accepted', i.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                            v_remaining, v_now)::ledger.verdict FROM unnest(ids) AS i (id))
            WHERE b.id = accept.batch
            RETURNING b.verdicts INTO v_out;
            IF v_count > 4 THEN
                RETURN QUERY SELECT * FROM unnest(v_out);
            ELSE
                FOREACH v_said IN ARRAY v_out LOOP
                    RETURN NEXT v_said;
                END LOOP;
            END IF;
            RETURN;
        END IF;
    ELSIF v_authors = 0 AND cardinality(v_locked) <= 2 + v_count / 8 THEN
        -- The same for several senders, as sessions of many credentials bring them: each tenant once, each credential
        -- once, and written if all of it fits. What few tenants have (see has_more), a percent that is warned of and a
        -- credential with several logins or domains in one batch are judged below. So are many tenants: what is read of
        -- each is most of the cost then, and the rows of this are joined one by one.
        WITH m AS MATERIALIZED (
            SELECT m.* FROM unnest(ids, tenant_ids, credential_ids, login_ids, sizes, v_sizes, digests, sender_domains,
                                   from_domains, sessions)
                WITH ORDINALITY AS m (id, tenant_id, credential_id, login_id, size, recipients, digest, sender_domain,
                                      from_domain, session, ord)
        ), s AS MATERIALIZED (
            SELECT m.tenant_id, m.credential_id, m.login_id, m.sender_domain, m.from_domain, count(*) AS messages,
                   sum(m.recipients) AS recipients, sum(m.size)::bigint AS bytes, max(m.size) AS message_size,
                   max(m.recipients) AS recipients_per_message
            FROM m GROUP BY m.tenant_id, m.credential_id, m.login_id, m.sender_domain, m.from_domain
        ), t AS MATERIALIZED (
            SELECT n.tenant_id, n.messages, n.recipients, n.bytes, t.day, t.month, t.resubmission, t.null_sender,
                   t.message_size, t.recipients_per_message, t.warn_percents[1] AS percent,
                   least(t.daily_cap - coalesce(ud.recipients, 0), t.monthly_cap - coalesce(um.recipients, 0))
                       - n.recipients AS remaining
            FROM (SELECT s.tenant_id, sum(s.messages)::bigint AS messages, sum(s.recipients)::bigint AS recipients,
                         sum(s.bytes)::bigint AS bytes
                  FROM s GROUP BY s.tenant_id) AS n
            CROSS JOIN LATERAL (
                SELECT t.*, (v_now AT TIME ZONE y.zone)::date AS day,
                       date_trunc('month', v_now AT TIME ZONE y.zone)::date AS month
                FROM gatepost.tenant t
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END AS zone OFFSET 0) AS y
                WHERE t.id = n.tenant_id OFFSET 0
            ) AS t
            LEFT JOIN LATERAL (
                SELECT u.recipients, u.bytes FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = t.day OFFSET 0
            ) AS ud ON true
            LEFT JOIN LATERAL (
                SELECT u.recipients FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = t.month OFFSET 0
            ) AS um ON true
            WHERE t.id = ANY (v_locked) AND t.status = 'active' AND t.daily_window = 'day'
              AND coalesce(t.rate, t.first_time_daily_cap, t.shadow_daily_cap, t.shadow_monthly_cap,
                           t.shadow_bytes_daily_cap, t.shadow_first_time_daily_cap) IS NULL
              AND NOT EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = t.id)
              AND (coalesce(ud.recipients, 0) + n.recipients <= t.daily_cap) IS NOT FALSE
              AND (coalesce(um.recipients, 0) + n.recipients <= t.monthly_cap) IS NOT FALSE
              AND (coalesce(ud.bytes, 0) + n.bytes <= t.bytes_daily_cap) IS NOT FALSE
              AND (coalesce(ud.recipients, 0) + n.recipients < t.daily_cap / 100 * t.warn_percents[1]) IS NOT FALSE
              AND (coalesce(um.recipients, 0) + n.recipients < t.monthly_cap / 100 * t.warn_percents[1]) IS NOT FALSE
              AND (coalesce(ud.bytes, 0) + n.bytes < t.bytes_daily_cap / 100 * t.warn_percents[1]) IS NOT FALSE
        ), c AS MATERIALIZED (
            SELECT s.tenant_id, s.credential_id, s.from_domain, s.messages, s.recipients, s.bytes, t.day,
                   least(t.remaining, c.daily_cap - coalesce(uc.recipients, 0) - s.recipients) AS remaining
            FROM s
            JOIN t ON t.tenant_id = s.tenant_id
            CROSS JOIN LATERAL (
                SELECT c.* FROM gatepost.credential c
                WHERE c.tenant_id = s.tenant_id AND c.id = s.credential_id OFFSET 0
            ) AS c
            CROSS JOIN LATERAL (
                SELECT l.* FROM gatepost.login l
                WHERE l.tenant_id = s.tenant_id AND l.credential_id = s.credential_id AND l.id = s.login_id OFFSET 0
            ) AS l
            LEFT JOIN LATERAL (
                SELECT u.recipients, u.bytes FROM gatepost.usage u
                WHERE u.tenant_id = s.tenant_id AND u.credential_id = s.credential_id AND u.period = 'day'
                  AND u.starts = t.day
                OFFSET 0
            ) AS uc ON true
            WHERE c.mode = 'live' AND c.revoked_at IS NULL AND c.suspended_at IS NULL
              AND (c.expires_at <= v_now) IS NOT TRUE AND (c.not_before > v_now) IS NOT TRUE
              AND (l.valid_until <= v_now) IS NOT TRUE
              AND coalesce(c.rate, c.monthly_cap, cardinality(c.senders)) IS NULL
              AND s.message_size <= least(t.message_size, c.message_size)
              AND s.recipients_per_message <= least(t.recipients_per_message, c.recipients_per_message)
              AND (coalesce(uc.recipients, 0) + s.recipients <= c.daily_cap) IS NOT FALSE
              AND (coalesce(uc.bytes, 0) + s.bytes <= c.bytes_daily_cap) IS NOT FALSE
              AND (coalesce(uc.recipients, 0) + s.recipients < c.daily_cap / 100 * t.percent) IS NOT FALSE
              AND (coalesce(uc.bytes, 0) + s.bytes < c.bytes_daily_cap / 100 * t.percent) IS NOT FALSE
              AND (s.sender_domain = '' AND t.null_sender OR EXISTS (
                  SELECT FROM gatepost.sender_domain d
                  WHERE d.tenant_id = s.tenant_id AND d.domain = s.sender_domain AND d.verified_at IS NOT NULL))
              AND (s.sender_domain = s.from_domain AND s.from_domain <> '' OR EXISTS (
                  SELECT FROM gatepost.sender_domain d
                  WHERE d.tenant_id = s.tenant_id AND d.domain = s.from_domain AND d.verified_at IS NOT NULL))
        ), judged AS MATERIALIZED (
            SELECT (SELECT count(DISTINCT c.credential_id) FROM c) = (SELECT count(*) FROM s)
                AND NOT EXISTS (
                    SELECT FROM m
                    JOIN t ON t.tenant_id = m.tenant_id AND t.resubmission
                    CROSS JOIN LATERAL (
                        SELECT k.at FROM gatepost.recent k
                        WHERE k.tenant_id = m.tenant_id AND k.credential_id = m.credential_id AND k.digest = m.digest
                        OFFSET 0
                    ) AS k
                    WHERE k.at > v_now - interval '10 minutes')
                AND (SELECT count(m.digest) = count(DISTINCT m.digest) FROM m) AS fits
        ), debit AS (
            INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients, bytes,
                                         reason, at)
            SELECT m.tenant_id, m.id, 0, m.credential_id, t.day, t.month, m.recipients, m.size, 'accept', v_now
            FROM m JOIN t ON t.tenant_id = m.tenant_id WHERE (SELECT j.fits FROM judged j)
        ), counted AS (
            INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes)
            SELECT x.* FROM (
                SELECT t.tenant_id, 0, 'day', t.day, t.recipients, t.messages, t.bytes FROM t
                UNION ALL
                SELECT t.tenant_id, 0, 'month', t.month, t.recipients, t.messages, t.bytes FROM t
                UNION ALL
                SELECT c.tenant_id, c.credential_id, 'day', c.day, c.recipients, c.messages, c.bytes FROM c
            ) AS x
            WHERE (SELECT j.fits FROM judged j)
            ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
                SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                    bytes = u.bytes + excluded.bytes
        ), hour AS (
            INSERT INTO gatepost.usage_hour AS u (tenant_id, starts, recipients)
            SELECT t.tenant_id, v_hour, t.recipients FROM t WHERE (SELECT j.fits FROM judged j)
            ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE SET recipients = u.recipients + excluded.recipients
        ), domain AS (
            INSERT INTO gatepost.usage_domain AS u (tenant_id, domain, starts, recipients, messages, bytes)
            SELECT c.tenant_id, c.from_domain, c.day, sum(c.recipients), sum(c.messages), sum(c.bytes) FROM c
            WHERE (SELECT j.fits FROM judged j) GROUP BY c.tenant_id, c.from_domain, c.day
            ON CONFLICT ON CONSTRAINT usage_domain_pkey DO UPDATE
                SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                    bytes = u.bytes + excluded.bytes
        ), event AS (
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session)
            SELECT m.tenant_id, m.id, v_now, 'accepted', m.id, m.credential_id, m.session
            FROM m WHERE (SELECT j.fits FROM judged j)
        ), key AS (
            INSERT INTO gatepost.recent (tenant_id, credential_id, digest, message_id, at)
            SELECT m.tenant_id, m.credential_id, m.digest, m.id, v_now
            FROM m JOIN t ON t.tenant_id = m.tenant_id
            WHERE t.resubmission AND m.digest IS NOT NULL AND (SELECT j.fits FROM judged j)
            ON CONFLICT ON CONSTRAINT recent_pkey DO UPDATE SET message_id = excluded.message_id, at = excluded.at
        )
        UPDATE gatepost.batch b
        SET verdicts = ARRAY(
                SELECT ROW(m.id, 'accepted', m.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, c.remaining,
                           v_now)::ledger.verdict
                FROM m JOIN c ON c.tenant_id = m.tenant_id AND c.credential_id = m.credential_id ORDER BY m.ord)
        WHERE b.id = accept.batch AND (SELECT j.fits FROM judged j)
        RETURNING b.verdicts INTO v_out;
        IF FOUND THEN
            RETURN QUERY SELECT * FROM unnest(v_out);
            RETURN;
        END IF;
    END IF;

    w_ords := '{}';
    w_days := '{}';
    w_months := '{}';
    w_firsts := '{}';
    w_shadows := '{}';
    w_tests := '{}';
    w_test_days := '{}';
    w_met := '{}';
    e_ords := '{}';
    e_details := '{}';
    n_ords := '{}';
    n_days := '{}';
    n_day := '{}';
    n_month := '{}';
    n_bytes := '{}';
    n_credential_day := '{}';
    n_credential_month := '{}';
    n_credential_bytes := '{}';
    c_tenants := '{}';
    c_credentials := '{}';
    c_debts := '{}';
    w_refused := '{}';
    w_drops := '{}';
    w_keys := '{}';
    w_key_ords := '{}';
    d_tenants := '{}';
    d_debts := '{}';

    -- Whom their tenants do not write to any more is dropped before anything is counted.
    v_out := array_fill(NULL::ledger.verdict, ARRAY[v_count]);
    v_offered := v_sizes;
    IF EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = ANY (v_locked)) THEN
        SELECT array_agg(n.ord::int ORDER BY n.ord), array_agg(s.reason ORDER BY n.ord)
        INTO v_dropped, v_drop_reasons
        FROM unnest(recipient_messages, recipient_addresses) WITH ORDINALITY AS n (message, address, ord)
        CROSS JOIN LATERAL (
            SELECT s.reason, s.until FROM gatepost.suppression s
            WHERE s.tenant_id = tenant_ids[n.message] AND s.address = lower(n.address) OFFSET 0) AS s
        WHERE (s.until <= v_now) IS NOT TRUE;
        IF v_dropped IS NOT NULL THEN
            v_gone := array_fill(false, ARRAY[cardinality(recipient_messages)]);
            FOREACH v_number IN ARRAY v_dropped LOOP
                v_gone[v_number] := true;
                v_sizes[recipient_messages[v_number]] := v_sizes[recipient_messages[v_number]] - 1;
            END LOOP;
        END IF;
    END IF;

    -- Then tenant by tenant (they share nothing), each in order of arrival.
    FOR r IN
        SELECT m.ord::int AS ord, m.id, m.credential_id, m.size, m.recipients, m.offered, m.digest, t.*,
               -- (What is larger than a day's octets fits on no day.)
               least(t.tenant_size, c.message_size, t.bytes_daily_cap, c.bytes_daily_cap) AS message_size,
               c.message_size AS credential_size,
               least(t.tenant_recipients, c.recipients_per_message) AS recipients_per_message,
               CASE
                   WHEN t.known IS NOT TRUE OR t.status = 'deleted' THEN 'tenant_unknown'
                   WHEN t.status <> 'active' THEN 'tenant_suspended'
                   WHEN c.id IS NULL THEN 'credential_unknown'
                   WHEN c.revoked_at IS NOT NULL THEN 'credential_revoked'
                   WHEN c.suspended_at IS NOT NULL THEN 'credential_suspended'
                   WHEN c.expires_at <= v_now THEN 'credential_expired'
                   WHEN c.not_before > v_now THEN 'credential_not_yet'
                   WHEN l.id IS NULL THEN 'credential_unknown'
                   WHEN l.valid_until <= v_now THEN 'login_expired'
                   WHEN (m.sender_domain = ANY (d.domains) OR m.sender_domain = '' AND t.null_sender) IS NOT TRUE
                       THEN 'sender_domain'
                   WHEN (m.from_domain = ANY (d.domains)) IS NOT TRUE OR o.found THEN 'from_domain'
                   WHEN s.found THEN 'sender_address'
               END AS refusal,
               m.sender_domain, s.address AS sender_address, c.suspended_reason, c.not_before,
               CASE WHEN (m.from_domain = ANY (d.domains)) IS TRUE THEN o.domain ELSE m.from_domain END AS from_domain,
               c.mode = 'test' AS test, c.daily_cap AS credential_cap, c.monthly_cap AS credential_monthly_cap,
               c.bytes_daily_cap AS credential_bytes_cap, c.rate AS credential_rate, c.burst AS credential_burst,
               c.daily_cap / 100 * t.percent + (c.daily_cap % 100 * t.percent + 99) / 100 AS warn_credential_daily,
               c.monthly_cap / 100 * t.percent + (c.monthly_cap % 100 * t.percent + 99) / 100
                   AS warn_credential_monthly,
               c.bytes_daily_cap / 100 * t.percent + (c.bytes_daily_cap % 100 * t.percent + 99) / 100
                   AS warn_credential_bytes,
               uc.recipients AS credential_used, uc.bytes AS credential_bytes,
               k.message_id AS first_id
        FROM (
            -- Each tenant once, as it is now.
            SELECT n.tenant_id, t.id = ANY (v_locked) AS known, t.status, t.reason, t.daily_cap, t.monthly_cap,
                   t.daily_window, t.rate, t.burst, t.message_size AS tenant_size,
                   t.recipients_per_message AS tenant_recipients, t.policy, t.resubmission, t.null_sender,
                   t.bytes_daily_cap, t.first_time_daily_cap, t.shadow_daily_cap, t.shadow_monthly_cap,
                   t.shadow_bytes_daily_cap, t.shadow_first_time_daily_cap, w.percent,
                   -- The least use that is warned of. (Exact, and does not overflow.)
                   t.daily_cap / 100 * w.percent + (t.daily_cap % 100 * w.percent + 99) / 100 AS warn_daily,
                   t.monthly_cap / 100 * w.percent + (t.monthly_cap % 100 * w.percent + 99) / 100 AS warn_monthly,
                   t.bytes_daily_cap / 100 * w.percent + (t.bytes_daily_cap % 100 * w.percent + 99) / 100 AS warn_bytes,
                   coalesce(t.first_time_daily_cap, t.shadow_first_time_daily_cap) IS NOT NULL AS counts_first,
                   coalesce(t.shadow_daily_cap, t.shadow_monthly_cap, t.shadow_bytes_daily_cap,
                            t.shadow_first_time_daily_cap) IS NOT NULL AS has_shadow,
                   z.zone, z.day, z.month, ud.recipients AS day_used, um.recipients AS month_used,
                   ud.bytes AS bytes_used, ud.first_time AS first_used, ud.shadow_recipients AS shadow_day,
                   ud.shadow_bytes, um.shadow_recipients AS shadow_month
            FROM (SELECT DISTINCT u.tenant_id FROM unnest(tenant_ids) AS u (tenant_id)) AS n
            LEFT JOIN gatepost.tenant t ON t.id = n.tenant_id
            LEFT JOIN LATERAL (
                SELECT y.zone, (v_now AT TIME ZONE y.zone)::date AS day,
                       date_trunc('month', v_now AT TIME ZONE y.zone)::date AS month
                FROM (SELECT CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END AS zone OFFSET 0) AS y
            ) AS z ON true
            LEFT JOIN LATERAL (
                SELECT u.recipients, u.bytes, u.first_time, u.shadow_recipients, u.shadow_bytes
                FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day' AND u.starts = z.day OFFSET 0
            ) AS ud ON true
            LEFT JOIN LATERAL (
                SELECT u.recipients, u.shadow_recipients FROM gatepost.usage u
                WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = z.month OFFSET 0
            ) AS um ON true
            LEFT JOIN LATERAL (SELECT min(p.percent) AS percent FROM unnest(t.warn_percents) AS p (percent)) AS w ON true
            OFFSET 0
        ) AS t
        JOIN unnest(ids, tenant_ids, credential_ids, login_ids, sizes, v_sizes, v_offered, digests, senders,
                    sender_domains, from_domains)
            WITH ORDINALITY AS m (id, tenant_id, credential_id, login_id, size, recipients, offered, digest, sender,
                                  sender_domain, from_domain, ord)
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
            SELECT u.recipients, u.bytes FROM gatepost.usage u
            WHERE u.tenant_id = t.tenant_id AND u.credential_id = c.id
              AND u.period = CASE c.mode WHEN 'test' THEN 'test' ELSE 'day' END AND u.starts = t.day
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
        LEFT JOIN LATERAL (
            -- The first address that a credential with senders of its own may not use: the envelope's, then the header's.
            SELECT a.address, true AS found
            FROM (SELECT m.sender, 0 WHERE m.sender <> ''
                  UNION ALL
                  SELECT f.address, f.place
                  FROM unnest(from_messages, from_addresses) WITH ORDINALITY AS f (message, address, place)
                  WHERE f.message = m.ord
                  UNION ALL
                  SELECT b.domain, 1 FROM (
                      SELECT m.from_domain
                      UNION ALL
                      SELECT a.domain FROM unnest(author_messages, author_domains) AS a (message, domain)
                      WHERE a.message = m.ord) AS b (domain)
                  WHERE (m.ord = ANY (from_messages)) IS NOT TRUE) AS a (address, place)
            WHERE c.senders IS NOT NULL AND NOT EXISTS (
                SELECT FROM unnest(c.senders) AS x (sender)
                WHERE lower(x.sender) IN (lower(a.address), lower(split_part(a.address, '@', -1))))
            ORDER BY a.place LIMIT 1
        ) AS s ON true
        ORDER BY t.tenant_id, m.ord
    LOOP
        IF r.tenant_id IS DISTINCT FROM v_tenant OR v_day_used IS NULL THEN
            v_tenant := r.tenant_id;
            v_day_used := coalesce(r.day_used, 0);
            v_month_used := coalesce(r.month_used, 0);
            v_bytes_used := coalesce(r.bytes_used, 0);
            v_first_used := coalesce(r.first_used, 0);
            v_test_used := NULL;
            IF r.daily_window = 'rolling' THEN
                v_day_used := (gatepost.rolling(v_tenant, v_now, NULL, NULL)).used;
            END IF;
            IF r.has_shadow THEN
                v_shadow_day := v_day_used - CASE WHEN r.daily_window = 'rolling' THEN (
                    SELECT coalesce(sum(u.shadow_recipients), 0) FROM gatepost.usage_hour u
                    WHERE u.tenant_id = v_tenant AND u.starts >= v_hour - interval '24 hours')
                    ELSE coalesce(r.shadow_day, 0) END;
                v_shadow_month := v_month_used - coalesce(r.shadow_month, 0);
                v_shadow_bytes := v_bytes_used - coalesce(r.shadow_bytes, 0);
            END IF;
            IF r.counts_first AND v_hashes IS NULL THEN
                v_today := (v_now AT TIME ZONE 'UTC')::date;
                v_seen := array_fill(false, ARRAY[cardinality(recipient_messages)]);
                SELECT array_agg(q.hash ORDER BY q.ord),
                       array_agg(CASE WHEN q.last_day >= v_today - 90 THEN 0 ELSE q.same END ORDER BY q.ord),
                       array_agg((q.last_day >= v_today) IS NOT TRUE ORDER BY q.ord)
                INTO v_hashes, v_news, v_olds
                FROM (
                    SELECT h.ord, h.hash, k.last_day, min(h.ord) OVER (PARTITION BY h.tenant_id, h.hash) AS same
                    FROM (SELECT a.ord::int AS ord, tenant_ids[a.message] AS tenant_id,
                                 substring(sha256(convert_to(a.address, 'UTF8')) FOR 16) AS hash
                          FROM unnest(recipient_messages, recipient_addresses) WITH ORDINALITY
                              AS a (message, address, ord) OFFSET 0) AS h
                    LEFT JOIN LATERAL (
                        SELECT k.last_day FROM gatepost.correspondent k
                        WHERE k.tenant_id = h.tenant_id AND k.address = h.hash OFFSET 0) AS k ON true) AS q;
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
            v_credential_month := '{}';
            v_credential_bytes := '{}';
            v_credential_debts := '{}';
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
            v_left bigint;
            v_first_time int := 0;        -- first-time recipients of this message
            v_shadow text;                -- the proposed cap that would have refused it
            d int;                        -- where in c_debts
            k int;
        BEGIN
            IF r.refusal IS NOT NULL THEN
                v_verdict := r.refusal;
                v_detail := CASE r.refusal
                    WHEN 'tenant_suspended' THEN r.reason
                    WHEN 'credential_suspended' THEN r.suspended_reason
                    WHEN 'credential_not_yet' THEN gatepost.instant_text(r.not_before, r.zone)
                    WHEN 'sender_domain' THEN r.sender_domain
                    WHEN 'sender_address' THEN r.sender_address
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
                    v_credential_bytes[c] := coalesce(r.credential_bytes, 0);
                    IF r.credential_monthly_cap IS NOT NULL THEN
                        v_credential_month[c] := (
                            SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                            WHERE u.tenant_id = v_tenant AND u.credential_id = r.credential_id
                              AND u.period = CASE WHEN r.test THEN 'test' ELSE 'day' END AND u.starts >= r.month AND u.starts < r.month + interval '1 month');
                    END IF;
                    IF r.credential_rate IS NOT NULL THEN
                        SELECT m.debt, extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year'))
                            * 1000000
                        INTO v_credential_debt, v_elapsed FROM gatepost.credential_rate m
                        WHERE m.tenant_id = v_tenant AND m.credential_id = r.credential_id;
                        v_credential_debt := CASE
                            WHEN v_credential_debt IS NULL OR v_elapsed > v_credential_debt / r.credential_rate THEN 0
                            ELSE v_credential_debt - r.credential_rate * greatest(0, v_elapsed) END;
                        c_tenants := c_tenants || v_tenant;
                        c_credentials := c_credentials || r.credential_id;
                        c_debts := c_debts || v_credential_debt;
                        v_credential_debts[c] := cardinality(c_debts);
                    END IF;
                END IF;
                d := v_credential_debts[c];
                IF r.test AND v_test_used IS NULL THEN
                    SELECT u.recipients, u.bytes INTO v_test_used, v_test_bytes FROM gatepost.usage u
                    WHERE u.tenant_id = v_tenant AND u.credential_id = 0 AND u.period = 'test' AND u.starts = r.day;
                    v_test_used := coalesce(v_test_used, 0);
                    v_test_bytes := coalesce(v_test_bytes, 0);
                END IF;
                IF r.counts_first AND v_first IS NULL AND NOT r.test THEN
                    FOR i IN v_offsets[r.ord]..v_offsets[r.ord] + r.offered - 1 LOOP
                        IF v_news[i] > 0 AND NOT v_seen[v_news[i]] AND v_gone[i] IS NOT TRUE THEN
                            v_first_time := v_first_time + 1;
                        END IF;
                    END LOOP;
                END IF;

                IF v_first IS NOT NULL THEN
                    v_verdict := 'resubmitted';
                ELSIF r.size > r.message_size THEN
                    v_verdict := 'message_size';
                    v_limit := CASE r.message_size WHEN r.tenant_size THEN 'message_size'
                                                   WHEN r.credential_size THEN 'credential_message_size'
                                                   WHEN r.bytes_daily_cap THEN 'bytes_daily'
                                                   ELSE 'credential_bytes_daily' END;
                    v_cap := r.message_size;
                    v_used := r.size;
                ELSIF r.offered > r.recipients_per_message THEN
                    v_verdict := 'too_many_recipients';
                    v_limit := CASE WHEN r.recipients_per_message < r.tenant_recipients THEN 'credential_' ELSE '' END
                        || 'recipients_per_message';
                    v_cap := r.recipients_per_message;
                    v_used := r.offered;
                ELSIF r.recipients = 0 THEN
                    v_verdict := 'suppressed';
                    v_used := r.offered;
                    k := array_position(v_dropped, v_offsets[r.ord]);
                    v_detail := recipient_addresses[v_offsets[r.ord]] || ': ' || v_drop_reasons[k];
                ELSIF (CASE WHEN r.test THEN v_test_used ELSE v_day_used END) + r.recipients > r.daily_cap THEN
                    v_verdict := 'cap_daily';
                    v_limit := 'daily';
                    v_cap := r.daily_cap;
                    v_used := CASE WHEN r.test THEN v_test_used ELSE v_day_used END;
                    IF r.daily_window = 'rolling' AND NOT r.test THEN
                        v_resets_at := (gatepost.rolling(r.tenant_id, v_now, v_cap - v_day_used
                            + (gatepost.rolling(r.tenant_id, v_now, NULL, NULL)).used, r.recipients)).resets_at;
                        v_resets_text := gatepost.instant_text(v_resets_at, r.zone);
                    END IF;
                ELSIF NOT r.test AND v_month_used + r.recipients > r.monthly_cap THEN
                    v_verdict := 'cap_monthly';
                    v_limit := 'monthly';
                    v_cap := r.monthly_cap;
                    v_used := v_month_used;
                ELSIF v_credential_used[c] + r.recipients > r.credential_cap THEN
                    v_verdict := 'cap_credential_daily';
                    v_limit := 'credential_daily';
                    v_cap := r.credential_cap;
                    v_used := v_credential_used[c];
                ELSIF v_credential_month[c] + r.recipients > r.credential_monthly_cap THEN
                    v_verdict := 'cap_credential_monthly';
                    v_limit := 'credential_monthly';
                    v_cap := r.credential_monthly_cap;
                    v_used := v_credential_month[c];
                ELSIF (CASE WHEN r.test THEN v_test_bytes ELSE v_bytes_used END) + r.size > r.bytes_daily_cap THEN
                    v_verdict := 'cap_bytes_daily';
                    v_limit := 'bytes_daily';
                    v_cap := r.bytes_daily_cap;
                    v_used := CASE WHEN r.test THEN v_test_bytes ELSE v_bytes_used END;
                ELSIF v_credential_bytes[c] + r.size > r.credential_bytes_cap THEN
                    v_verdict := 'cap_credential_bytes_daily';
                    v_limit := 'credential_bytes_daily';
                    v_cap := r.credential_bytes_cap;
                    v_used := v_credential_bytes[c];
                ELSIF v_first_time > 0 AND v_first_used + v_first_time > r.first_time_daily_cap THEN
                    v_verdict := 'cap_first_time';
                    v_limit := 'first_time_daily';
                    v_cap := r.first_time_daily_cap;
                    v_used := v_first_used;
                ELSIF NOT r.test AND v_debt > 0 AND v_debt + r.recipients * 60000000::bigint > r.burst * 60000000 THEN
                    -- (A full bucket, debt 0, lets any message through; it is paid off afterwards.)
                    v_verdict := 'rate';
                    v_limit := 'rate';
                    v_cap := r.rate;
                    v_used := ceil(v_debt / 60000000.0);
                    v_detail := 'burst ' || r.burst;
                    v_resets_at := v_now + interval '1 microsecond'
                        * ceil((v_debt - greatest(0, r.burst - r.recipients) * 60000000.0) / r.rate);
                    v_resets_text := gatepost.instant_text(v_resets_at, r.zone);
                ELSIF d IS NOT NULL AND c_debts[d] > 0
                    AND c_debts[d] + r.recipients * 60000000::bigint > r.credential_burst * 60000000
                THEN
                    v_verdict := 'credential_rate';
                    v_limit := 'credential_rate';
                    v_cap := r.credential_rate;
                    v_used := ceil(c_debts[d] / 60000000.0);
                    v_detail := 'burst ' || r.credential_burst;
                    v_resets_at := v_now + interval '1 microsecond'
                        * ceil((c_debts[d] - greatest(0, r.credential_burst - r.recipients) * 60000000.0)
                               / r.credential_rate);
                    v_resets_text := gatepost.instant_text(v_resets_at, r.zone);
                ELSE
                    v_verdict := 'accepted';
                    v_first := r.id;
                    v_credential_used[c] := v_credential_used[c] + r.recipients;
                    v_credential_bytes[c] := v_credential_bytes[c] + r.size;
                    IF v_key IS NOT NULL THEN
                        w_keys := w_keys || v_key;
                        w_key_ords := w_key_ords || r.ord;
                    END IF;
                END IF;
                IF v_verdict LIKE 'cap_%' AND NOT (v_limit = 'daily' AND r.daily_window = 'rolling' AND NOT r.test) THEN
                    SELECT e.* INTO v_resets_at, v_resets_text
                    FROM gatepost.reset(r.tenant_id, v_now, CASE WHEN v_limit LIKE '%monthly' THEN 'month' ELSE 'day' END)
                        AS e;
                END IF;

                IF r.recipients < r.offered AND v_verdict IN ('accepted', 'suppressed') THEN
                    w_drops := w_drops || r.ord;
                    IF v_verdict = 'accepted' THEN
                        v_detail := 'suppressed ' || (
                            SELECT string_agg(v_numbers[n.i]::text, ' ' ORDER BY n.i) FROM unnest(v_dropped) AS n (i)
                            WHERE recipient_messages[n.i] = r.ord);
                    END IF;
                END IF;

                -- (What a credential has of its own holds in test mode too, over what it sends in it.)
                IF v_verdict = 'accepted' AND r.credential_monthly_cap IS NOT NULL THEN
                    v_credential_month[c] := v_credential_month[c] + r.recipients;
                END IF;
                IF v_verdict = 'accepted' AND d IS NOT NULL THEN
                    c_debts[d] := c_debts[d] + r.recipients * 60000000::bigint;
                END IF;
                IF v_verdict = 'accepted' AND r.test THEN
                    v_test_used := v_test_used + r.recipients;
                    v_test_bytes := v_test_bytes + r.size;
                    v_left := least(r.daily_cap - v_test_used, r.credential_cap - v_credential_used[c],
                                         r.credential_monthly_cap - v_credential_month[c]);
                    v_detail := 'test';
                    w_tests := w_tests || r.ord;
                    w_test_days := w_test_days || r.day;
                ELSIF v_verdict = 'accepted' THEN
                    v_day_used := v_day_used + r.recipients;
                    v_month_used := v_month_used + r.recipients;
                    v_bytes_used := v_bytes_used + r.size;
                    IF v_debt IS NOT NULL THEN
                        v_debt := v_debt + r.recipients * 60000000::bigint;
                        d_debts[cardinality(d_debts)] := v_debt;
                    END IF;
                    v_left := least(r.daily_cap - v_day_used, r.monthly_cap - v_month_used,
                                         r.credential_cap - v_credential_used[c],
                                         r.credential_monthly_cap - v_credential_month[c]);
                    IF r.counts_first THEN
                        FOR i IN v_offsets[r.ord]..v_offsets[r.ord] + r.offered - 1 LOOP
                            IF v_olds[i] AND v_gone[i] IS NOT TRUE THEN
                                w_met := w_met || i;
                                k := v_news[i];
                                IF k > 0 THEN
                                    v_seen[k] := true;
                                END IF;
                            END IF;
                        END LOOP;
                    END IF;
                    IF r.has_shadow THEN
                        -- What one proposed cap would have refused counts against none of them.
                        v_shadow := CASE
                            WHEN v_shadow_day + r.recipients > r.shadow_daily_cap THEN 'daily'
                            WHEN v_shadow_month + r.recipients > r.shadow_monthly_cap THEN 'monthly'
                            WHEN v_shadow_bytes + r.size > r.shadow_bytes_daily_cap THEN 'bytes_daily'
                            WHEN v_first_time > 0 AND v_first_used + v_first_time > r.shadow_first_time_daily_cap
                                THEN 'first_time_daily' END;
                        IF v_shadow IS NULL THEN
                            v_shadow_day := v_shadow_day + r.recipients;
                            v_shadow_month := v_shadow_month + r.recipients;
                            v_shadow_bytes := v_shadow_bytes + r.size;
                        ELSE
                            e_ords := e_ords || r.ord;
                            e_details := e_details || jsonb_build_object(
                                'limit_name', v_shadow,
                                'cap', CASE v_shadow WHEN 'daily' THEN r.shadow_daily_cap
                                                     WHEN 'monthly' THEN r.shadow_monthly_cap
                                                     WHEN 'bytes_daily' THEN r.shadow_bytes_daily_cap
                                                     ELSE r.shadow_first_time_daily_cap END,
                                'used', CASE v_shadow WHEN 'daily' THEN v_shadow_day
                                                      WHEN 'monthly' THEN v_shadow_month
                                                      WHEN 'bytes_daily' THEN v_shadow_bytes
                                                      ELSE v_first_used END,
                                'recipients', r.recipients, 'size', r.size);
                        END IF;
                    END IF;
                    v_first_used := v_first_used + v_first_time;
                    w_ords := w_ords || r.ord;
                    w_days := w_days || r.day;
                    w_months := w_months || r.month;
                    w_firsts := w_firsts || v_first_time;
                    w_shadows := w_shadows || (v_shadow IS NOT NULL);
                    IF v_day_used >= r.warn_daily OR v_month_used >= r.warn_monthly OR v_bytes_used >= r.warn_bytes
                        OR v_credential_used[c] >= r.warn_credential_daily
                        OR v_credential_month[c] >= r.warn_credential_monthly
                        OR v_credential_bytes[c] >= r.warn_credential_bytes
                    THEN
                        n_ords := n_ords || r.ord;
                        n_days := n_days || r.day;
                        n_day := n_day || v_day_used;
                        n_month := n_month || v_month_used;
                        n_bytes := n_bytes || v_bytes_used;
                        n_credential_day := n_credential_day || v_credential_used[c];
                        n_credential_month := n_credential_month || v_credential_month[c];
                        n_credential_bytes := n_credential_bytes || v_credential_bytes[c];
                    END IF;
                END IF;
            END IF;

            IF v_verdict <> 'accepted' THEN
                w_refused := w_refused || r.ord;
            END IF;
            v_out[r.ord] := ROW(r.id, v_verdict, v_first, v_limit, v_cap, v_used, v_resets_at, v_resets_text,
                                CASE WHEN v_resets_at IS NOT NULL THEN r.policy END, v_detail, v_left,
                                v_now)::ledger.verdict;
        END;
    END LOOP;

    -- 5. Write what was decided.
    IF cardinality(w_ords) > 0 THEN
        WITH debit AS (
            INSERT INTO gatepost.ledger (tenant_id, message_id, entry, credential_id, day, month, recipients, bytes,
                                         reason, at, shadow)
            SELECT tenant_ids[n.ord], ids[n.ord], 0, credential_ids[n.ord], n.day, n.month, v_sizes[n.ord],
                   sizes[n.ord], 'accept', v_now, n.shadow
            FROM unnest(w_ords, w_days, w_months, w_shadows) AS n (ord, day, month, shadow)
        ), debits AS (
            SELECT tenant_ids[n.ord] AS tenant_id, credential_ids[n.ord] AS credential_id,
                   from_domains[n.ord] AS domain, n.day, n.month, v_sizes[n.ord] AS recipients, sizes[n.ord] AS bytes,
                   n.first_time, CASE WHEN n.shadow THEN v_sizes[n.ord] ELSE 0 END AS shadow_recipients,
                   CASE WHEN n.shadow THEN sizes[n.ord] ELSE 0 END AS shadow_bytes
            FROM unnest(w_ords, w_days, w_months, w_firsts, w_shadows) AS n (ord, day, month, first_time, shadow)
        ), hour AS (
            INSERT INTO gatepost.usage_hour AS u (tenant_id, starts, recipients, shadow_recipients)
            SELECT d.tenant_id, v_hour, sum(d.recipients), sum(d.shadow_recipients) FROM debits d GROUP BY d.tenant_id
            ON CONFLICT ON CONSTRAINT usage_hour_pkey DO UPDATE
                SET recipients = u.recipients + excluded.recipients,
                    shadow_recipients = u.shadow_recipients + excluded.shadow_recipients
        ), domain AS (
            INSERT INTO gatepost.usage_domain AS u (tenant_id, domain, starts, recipients, messages, bytes)
            SELECT d.tenant_id, d.domain, d.day, sum(d.recipients), count(*), sum(d.bytes)
            FROM debits d GROUP BY d.tenant_id, d.domain, d.day
            ON CONFLICT ON CONSTRAINT usage_domain_pkey DO UPDATE
                SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                    bytes = u.bytes + excluded.bytes
        ), event AS (
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session)
            SELECT tenant_ids[n.ord], ids[n.ord], v_now, 'accepted', ids[n.ord], credential_ids[n.ord], sessions[n.ord]
            FROM unnest(w_ords) AS n (ord)
        )
        INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes,
                                         first_time, shadow_recipients, shadow_bytes)
        SELECT d.tenant_id, x.credential_id, x.period, x.starts, sum(d.recipients), count(*), sum(d.bytes),
               sum(d.first_time), sum(d.shadow_recipients), sum(d.shadow_bytes)
        FROM debits d
        CROSS JOIN LATERAL (VALUES (0::bigint, 'day', d.day), (0, 'month', d.month), (d.credential_id, 'day', d.day))
            AS x (credential_id, period, starts)
        GROUP BY d.tenant_id, x.credential_id, x.period, x.starts
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
            SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                bytes = u.bytes + excluded.bytes, first_time = u.first_time + excluded.first_time,
                shadow_recipients = u.shadow_recipients + excluded.shadow_recipients,
                shadow_bytes = u.shadow_bytes + excluded.shadow_bytes;
    END IF;
    IF cardinality(w_tests) > 0 THEN
        -- Counted apart, in no ledger, and final before anybody can see them.
        WITH message AS (
            UPDATE gatepost.message m SET kind = 'test' FROM unnest(w_tests) AS n (ord)
            WHERE m.tenant_id = tenant_ids[n.ord] AND m.id = ids[n.ord] AND m.id BETWEEN v_low AND v_high
        ), recipient AS (
            UPDATE gatepost.recipient q
            SET state = 'cancelled', owner_id = NULL, final_at = v_now,
                reply = convert_to('test mode: never forwarded', 'UTF8')
            FROM unnest(w_tests) AS n (ord)
            WHERE q.tenant_id = tenant_ids[n.ord] AND q.message_id = ids[n.ord] AND q.message_id BETWEEN v_low AND v_high
        ), event AS (
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session, detail)
            SELECT tenant_ids[n.ord], ids[n.ord], v_now, 'accepted', ids[n.ord], credential_ids[n.ord],
                   sessions[n.ord], '{"mode": "test"}'
            FROM unnest(w_tests) AS n (ord)
        )
        INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages, bytes)
        SELECT tenant_ids[n.ord], x.credential_id, 'test', n.day, sum(v_sizes[n.ord]), count(*), sum(sizes[n.ord])
        FROM unnest(w_tests, w_test_days) AS n (ord, day)
        CROSS JOIN LATERAL (VALUES (0::bigint), (credential_ids[n.ord])) AS x (credential_id)
        GROUP BY tenant_ids[n.ord], x.credential_id, n.day
        ON CONFLICT ON CONSTRAINT usage_pkey DO UPDATE
            SET recipients = u.recipients + excluded.recipients, messages = u.messages + excluded.messages,
                bytes = u.bytes + excluded.bytes;
    END IF;
    IF cardinality(w_drops) > 0 THEN
        INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, number, credential_id, session, detail)
        SELECT tenant_ids[n.ord], gatepost.uuid_new(v_now), v_now, 'suppressed', ids[n.ord], v_numbers[x.i],
               credential_ids[n.ord], sessions[n.ord],
               jsonb_build_object('recipient', recipient_addresses[x.i], 'reason', x.reason)
        FROM unnest(w_drops) AS n (ord)
        JOIN unnest(v_dropped, v_drop_reasons) AS x (i, reason) ON recipient_messages[x.i] = n.ord;
        -- (A message that is refused for it loses all its rows below.)
        DELETE FROM gatepost.recipient d USING unnest(v_dropped) AS x (i)
        WHERE recipient_messages[x.i] = ANY (w_drops) AND d.tenant_id = tenant_ids[recipient_messages[x.i]]
          AND d.message_id = ids[recipient_messages[x.i]] AND d.number = v_numbers[x.i]
          AND d.message_id BETWEEN v_low AND v_high;
        UPDATE gatepost.message m SET recipients = v_sizes[n.ord] FROM unnest(w_drops) AS n (ord)
        WHERE m.tenant_id = tenant_ids[n.ord] AND m.id = ids[n.ord] AND m.id BETWEEN v_low AND v_high;
    END IF;
    IF cardinality(w_met) > 0 THEN
        INSERT INTO gatepost.correspondent AS k (tenant_id, address, last_day)
        SELECT DISTINCT tenant_ids[recipient_messages[n.i]], v_hashes[n.i], v_today FROM unnest(w_met) AS n (i)
        ON CONFLICT ON CONSTRAINT correspondent_pkey DO UPDATE SET last_day = greatest(k.last_day, excluded.last_day);
    END IF;
    IF cardinality(c_debts) > 0 THEN
        INSERT INTO gatepost.credential_rate AS k (tenant_id, credential_id, debt, debt_at)
        SELECT n.tenant_id, n.credential_id, n.debt, v_now
        FROM unnest(c_tenants, c_credentials, c_debts) AS n (tenant_id, credential_id, debt)
        ON CONFLICT ON CONSTRAINT credential_rate_pkey DO UPDATE SET debt = excluded.debt, debt_at = excluded.debt_at;
    END IF;
    IF cardinality(e_ords) > 0 THEN
        INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session, detail)
        SELECT tenant_ids[n.ord], gatepost.uuid_new(v_now), v_now, 'would_refuse', ids[n.ord], credential_ids[n.ord],
               sessions[n.ord], n.detail
        FROM unnest(e_ords, e_details) AS n (ord, detail);
    END IF;
    IF cardinality(n_ords) > 0 THEN
        WITH warning AS (
            INSERT INTO gatepost.warning (tenant_id, credential_id, limit_name, starts, percent, cap, used, at)
            SELECT t.id, x.credential_id, x.limit_name, x.starts, p.percent, x.cap, min(x.used), v_now
            FROM unnest(n_ords, n_days, n_day, n_month, n_bytes, n_credential_day, n_credential_month,
                        n_credential_bytes)
                AS n (ord, day, day_used, month_used, bytes_used, credential_day, credential_month, credential_bytes)
            CROSS JOIN LATERAL (SELECT t.* FROM gatepost.tenant t WHERE t.id = tenant_ids[n.ord] OFFSET 0) AS t
            CROSS JOIN LATERAL (
                SELECT c.* FROM gatepost.credential c WHERE c.tenant_id = t.id AND c.id = credential_ids[n.ord] OFFSET 0
            ) AS c
            CROSS JOIN LATERAL (
                VALUES (0::bigint, 'daily', n.day, t.daily_cap, n.day_used),
                       (0, 'monthly', date_trunc('month', n.day)::date, t.monthly_cap, n.month_used),
                       (0, 'bytes_daily', n.day, t.bytes_daily_cap, n.bytes_used),
                       (c.id, 'credential_daily', n.day, c.daily_cap, n.credential_day),
                       (c.id, 'credential_monthly', date_trunc('month', n.day)::date, c.monthly_cap,
                        n.credential_month),
                       (c.id, 'credential_bytes_daily', n.day, c.bytes_daily_cap, n.credential_bytes)
            ) AS x (credential_id, limit_name, starts, cap, used)
            CROSS JOIN unnest(t.warn_percents) AS p (percent)
            WHERE x.used >= x.cap / 100 * p.percent + (x.cap % 100 * p.percent + 99) / 100
            GROUP BY t.id, x.credential_id, x.limit_name, x.starts, p.percent, x.cap
            ON CONFLICT ON CONSTRAINT warning_pkey DO NOTHING
            RETURNING tenant_id, credential_id, limit_name, starts, percent, cap, used
        )
        INSERT INTO gatepost.event (tenant_id, id, at, kind, credential_id, detail)
        SELECT w.tenant_id, gatepost.uuid_new(v_now), v_now, 'limit_warning', nullif(w.credential_id, 0),
               jsonb_build_object(
                   'tenant', (SELECT t.slug FROM gatepost.tenant t WHERE t.id = w.tenant_id),
                   'credential', (SELECT c.name FROM gatepost.credential c
                                  WHERE c.tenant_id = w.tenant_id AND c.id = w.credential_id),
                   'limit_name', w.limit_name, 'starts', w.starts, 'percent', w.percent, 'cap', w.cap, 'used', w.used)
        FROM warning w;
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
        INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session, detail)
        SELECT coalesce(tenant_ids[n.ord], 0), ids[n.ord], v_now,
               CASE o.verdict WHEN 'resubmitted' THEN o.verdict ELSE 'refused' END, coalesce(o.queue_id, ids[n.ord]),
               credential_ids[n.ord], sessions[n.ord],
               jsonb_strip_nulls(jsonb_build_object(
                   'verdict', o.verdict, 'limit_name', o.limit_name, 'cap', o.cap, 'used', o.used,
                   'resets_at', o.resets_at, 'resets_text', o.resets_text, 'policy', o.policy, 'detail', o.detail,
                   'sender', senders[n.ord], 'from_domain', from_domains[n.ord], 'recipients', v_offered[n.ord],
                   'size', sizes[n.ord], 'client', clients[n.ord]))
        FROM unnest(w_refused) AS n (ord)
        CROSS JOIN LATERAL (SELECT (v_out[n.ord]).* OFFSET 0) AS o;
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
    text[], boolean[], text[], text[], int[], text[], int[], text[],
    uuid[], int[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[],
    uuid[], int[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[],
    text[], boolean[], text[], text[], int[], text[], int[], text[],
    uuid[], int[], text[]) TO gatepost_node;
