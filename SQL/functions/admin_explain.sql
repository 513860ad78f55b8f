-- admin.explain: every rule that a message would be judged by, in the order in which a session meets them, with what is
-- in force and how it stands now. Reads only; what accept says is admin.explain_trial's.
--   In     as admin.explain_trial, and mechanism: SASL's name, null: not said. client null: not said.
--   Out    a row for each rule. stage 'AUTH' | 'MAIL' | 'RCPT' | 'DATA': where a session meets it. value: what is in
--          force, null: no such limit. passes: null where it cannot be known from here. verdict: what accept calls a
--          refusal by it, null: sessions alone judge it, at AUTH. detail: a reason given by an operator, or what the
--          verdict's detail would be. hint: the end of a `gatepost` command that would let it pass. limit_name, cap,
--          used, resets_text, policy: a refusal's figures.
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.explain(
    username text, client text, mechanism text, sender text, sender_domain text, from_addresses text[],
    from_domains text[], addresses text[], size bigint
) RETURNS TABLE (
    stage text, rule text, value text, stands text, passes boolean, verdict text, detail text, hint text,
    limit_name text, cap bigint, used bigint, resets_text text, policy text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    l gatepost.login;
    c gatepost.credential;
    t gatepost.tenant;
    v_zone text;
    v_day date;
    v_month date;
    v_count bigint := cardinality(addresses);
    v_left bigint;             -- of them, without the suppressed
    v_suppressed text[];       -- those, and why
    v_reasons text[];
    v_period text;
    v_own gatepost.usage;      -- the tenant's day, and the credential's
    v_credential gatepost.usage;
    v_daily bigint;
    v_monthly bigint;
    v_credential_monthly bigint;
    v_first bigint;
    v_debt bigint;
    v_credential_debt bigint;
    v_bad text;
    v_bad_sender boolean;
    v_domains text[];
    v_resets text;
    v_month_resets text;
    v_rolling_resets text;
    v_sets text[];             -- commands that add a network, a mechanism, a sender: up to it, and what follows it
    v_notes text[];
BEGIN
    SELECT x.* INTO l FROM gatepost.login x WHERE x.name = username;
    SELECT x.* INTO c FROM gatepost.credential x WHERE x.tenant_id = l.tenant_id AND x.id = l.credential_id;
    SELECT x.* INTO t FROM gatepost.tenant x WHERE x.id = l.tenant_id;
    RETURN QUERY SELECT 'AUTH', 'username', username,
        CASE WHEN l.id IS NULL THEN 'nobody has it' ELSE format('%s of tenant %s', c.name, t.slug) END,
        l.id IS NOT NULL AND t.status <> 'deleted', 'credential_unknown', NULL::text,
        format('credential list %s', split_part(username, '.', 1)), NULL::text, NULL::bigint, NULL::bigint, NULL::text,
        NULL::text;
    IF l.id IS NULL OR c.id IS NULL OR t.id IS NULL OR t.status = 'deleted' THEN
        RETURN;
    END IF;
    v_zone := CASE WHEN t.next_zone_from <= v_now THEN t.next_zone ELSE t.zone END;
    v_day := (v_now AT TIME ZONE v_zone)::date;
    v_month := date_trunc('month', v_day)::date;
    v_period := CASE c.mode WHEN 'test' THEN 'test' ELSE 'day' END;
    -- (What is set replaces all there is: a command that let one more in by itself would shut out the others.)
    SELECT array_agg(format('credential set %s %s--%s ', c.name,
               CASE WHEN cardinality(k.present) > 20 THEN format('--%s EACH ', k.option)
                    ELSE (SELECT string_agg(format('--%s %s ', k.option, gatepost.shell_word(p.value)), ''
                              ORDER BY p.place)
                          FROM unnest(k.present) WITH ORDINALITY AS p (value, place)) END, k.option) ORDER BY k.place),
           array_agg(CASE WHEN cardinality(k.present) > 20
               THEN format(' (EACH: the %s there are, which this replaces; gatepost credential show %s)',
                           cardinality(k.present), c.name) END ORDER BY k.place)
    INTO v_sets, v_notes
    FROM (VALUES
        (1, 'network', c.networks::text[]), (2, 'mechanism', c.mechanisms),
        -- (Those of a domain that the tenant has no more would be refused.)
        (3, 'sender', ARRAY(SELECT s.value FROM unnest(c.senders) WITH ORDINALITY AS s (value, place)
                            WHERE EXISTS (SELECT FROM gatepost.sender_domain d WHERE d.tenant_id = t.id
                                          AND d.domain = lower(substring(s.value FROM '[^@]*$')))
                            ORDER BY s.place))) AS k (place, option, present);

    RETURN QUERY SELECT x.*, NULL::text, NULL::bigint, NULL::bigint, NULL::text, NULL::text FROM (VALUES
        ('AUTH', 'credential_revoked', NULL::text,
         CASE WHEN c.revoked_at IS NULL THEN 'not revoked'
              ELSE 'revoked ' || gatepost.instant_text(c.revoked_at, v_zone) END,
         c.revoked_at IS NULL, 'credential_revoked', c.revoked_reason, format('credential issue %s', t.slug)),
        ('AUTH', 'networks', array_to_string(c.networks, ' '), coalesce(client, 'address not given'),
         CASE WHEN c.networks IS NULL THEN true
              WHEN client IS NOT NULL THEN client::inet <<= ANY (c.networks::inet[]) END,
         NULL, NULL, v_sets[1] || coalesce(client, 'ADDRESS') || coalesce(v_notes[1], '')),
        ('AUTH', 'tenant_status', t.status, t.slug, t.status = 'active', 'tenant_suspended', t.reason,
         format('tenant resume %s', t.slug)),
        ('AUTH', 'credential_suspended', NULL,
         CASE WHEN c.suspended_at IS NULL THEN 'not suspended'
              ELSE 'suspended ' || gatepost.instant_text(c.suspended_at, v_zone) END,
         c.suspended_at IS NULL, 'credential_suspended', c.suspended_reason, format('credential resume %s', c.name)),
        ('AUTH', 'not_before', gatepost.instant_text(c.not_before, v_zone), gatepost.instant_text(v_now, v_zone),
         (c.not_before > v_now) IS NOT TRUE, 'credential_not_yet', NULL,
         format('credential set %s --not-before now', c.name)),
        ('AUTH', 'expires', gatepost.instant_text(c.expires_at, v_zone), gatepost.instant_text(v_now, v_zone),
         (c.expires_at <= v_now) IS NOT TRUE, 'credential_expired', NULL,
         format('credential set %s --expires never', c.name)),
        ('AUTH', 'secret_valid_until', gatepost.instant_text(l.valid_until, v_zone),
         gatepost.instant_text(v_now, v_zone), (l.valid_until <= v_now) IS NOT TRUE, 'login_expired', NULL,
         format('credential show %s', c.name)),
        ('AUTH', 'mechanisms', array_to_string(c.mechanisms, ', '), coalesce(upper(mechanism), 'not given'),
         -- (Who may use SCRAM may bind it to the channel, too.)
         CASE WHEN c.mechanisms IS NULL THEN true
              WHEN mechanism IS NOT NULL THEN upper(mechanism) = ANY (c.mechanisms)
                  OR regexp_replace(upper(mechanism), '-PLUS$', '') = ANY (c.mechanisms) END,
         NULL, NULL, v_sets[2] || coalesce(upper(mechanism), 'NAME') || coalesce(v_notes[2], '')),
        ('AUTH', 'sessions', t.sessions::text, 'counted by each node', CASE WHEN t.sessions IS NULL THEN true END, NULL,
         NULL, format('tenant set %s --sessions unlimited', t.slug)),
        ('AUTH', 'credential_sessions', c.sessions::text, 'counted by each node',
         CASE WHEN c.sessions IS NULL THEN true END, NULL, NULL,
         format('credential set %s --sessions unlimited', c.name))) AS x;

    -- What is counted. A credential in test mode counts apart: against the tenant by days only.
    SELECT u.* INTO v_own FROM gatepost.usage u
    WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = v_period AND u.starts = v_day;
    SELECT u.* INTO v_credential FROM gatepost.usage u
    WHERE u.tenant_id = t.id AND u.credential_id = c.id AND u.period = v_period AND u.starts = v_day;
    v_daily := CASE WHEN t.daily_window = 'rolling' AND c.mode <> 'test'
                    THEN (gatepost.rolling(t.id, v_now, NULL, NULL)).used ELSE coalesce(v_own.recipients, 0) END;
    v_resets := (SELECT e.resets_text FROM gatepost.reset(t.id, v_now, 'day') e);
    v_month_resets := (SELECT e.resets_text FROM gatepost.reset(t.id, v_now, 'month') e);
    SELECT coalesce(max(u.recipients), 0) INTO v_monthly FROM gatepost.usage u
    WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month' AND u.starts = v_month;
    SELECT coalesce(sum(u.recipients), 0) INTO v_credential_monthly FROM gatepost.usage u
    WHERE u.tenant_id = t.id AND u.credential_id = c.id AND u.period = v_period AND u.starts >= v_month
      AND u.starts < v_month + interval '1 month';
    v_debt := (SELECT greatest(0, m.debt - t.rate * greatest(0,
                   extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000)::numeric)
               FROM gatepost.meter m WHERE m.tenant_id = t.id AND t.rate IS NOT NULL);
    v_credential_debt := coalesce((SELECT greatest(0, m.debt - c.rate * greatest(0,
                   extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000)::numeric)
               FROM gatepost.credential_rate m WHERE m.tenant_id = t.id AND m.credential_id = c.id), 0);
    SELECT array_agg(a.address ORDER BY a.place), array_agg(s.reason ORDER BY a.place) INTO v_suppressed, v_reasons
    FROM unnest(addresses) WITH ORDINALITY AS a (address, place)
    JOIN gatepost.suppression s ON s.tenant_id = t.id AND s.address = lower(a.address)
    WHERE (s.until <= v_now) IS NOT TRUE;
    v_left := v_count - coalesce(cardinality(v_suppressed), 0);
    v_rolling_resets := CASE WHEN t.daily_window = 'rolling' AND c.mode <> 'test' THEN
        gatepost.instant_text((gatepost.rolling(t.id, v_now, t.daily_cap, v_left)).resets_at, v_zone)
        ELSE v_resets END;
    IF t.first_time_daily_cap IS NOT NULL THEN
        v_first := (SELECT count(DISTINCT a.hash) FROM (
                SELECT substring(sha256(convert_to(a.address, 'UTF8')) FOR 16) AS hash
                FROM unnest(addresses) AS a (address) WHERE (a.address = ANY (v_suppressed)) IS NOT TRUE) AS a
            WHERE NOT EXISTS (SELECT FROM gatepost.correspondent k WHERE k.tenant_id = t.id AND k.address = a.hash
                AND k.last_day >= (v_now AT TIME ZONE 'UTC')::date - 90));
    END IF;
    SELECT array_agg(d.domain) INTO v_domains FROM gatepost.sender_domain d
    WHERE d.tenant_id = t.id AND d.verified_at IS NOT NULL AND d.domain = ANY (from_domains || sender_domain);
    SELECT f.domain INTO v_bad FROM unnest(from_domains) WITH ORDINALITY AS f (domain, place)
    WHERE (f.domain = ANY (v_domains)) IS NOT TRUE ORDER BY f.place LIMIT 1;
    RETURN QUERY SELECT x.*, NULL::text FROM (VALUES
        ('MAIL', 'message_size', t.message_size::text, size::text, size <= t.message_size, 'message_size', NULL::text,
         format('tenant set %s --message-size %s', t.slug, size), 'message_size', t.message_size, size, NULL::text),
        ('MAIL', 'credential_message_size', c.message_size::text, size::text, (size > c.message_size) IS NOT TRUE,
         'message_size', NULL, format('credential set %s --message-size %s', c.name, size), 'credential_message_size',
         c.message_size, size, NULL)) AS x;
    RETURN QUERY SELECT x.*, NULL::text, NULL::bigint, NULL::bigint, NULL::text, NULL::text FROM (VALUES
        ('MAIL', 'sender_domain', CASE WHEN sender = '' THEN 'null sender ' || CASE WHEN t.null_sender THEN 'on'
                                                                               ELSE 'off' END
                                       ELSE 'a verified domain of the tenant' END,
         CASE WHEN sender = '' THEN '<>' ELSE sender_domain END,
         CASE WHEN sender = '' THEN t.null_sender ELSE (sender_domain = ANY (v_domains)) IS TRUE END,
         'sender_domain', NULL::text,
         CASE WHEN sender = '' THEN format('tenant set %s --null-sender on', t.slug)
              ELSE format('domain add %s %s', t.slug, sender_domain) END)) AS x;
    v_bad_sender := c.senders IS NOT NULL AND sender <> '' AND NOT EXISTS (SELECT FROM unnest(c.senders) AS x (sender)
        WHERE lower(x.sender) IN (lower(explain.sender), lower(sender_domain)));
    RETURN QUERY SELECT 'MAIL', 'senders', array_to_string(c.senders, ', '), sender, NOT v_bad_sender,
        'sender_address', NULL::text, v_sets[3] || gatepost.shell_word(sender) || coalesce(v_notes[3], ''), NULL::text, NULL::bigint,
        NULL::bigint, NULL::text, NULL::text;
    RETURN QUERY
        SELECT 'MAIL', x.rule, x.cap::text,
               CASE WHEN x.cap IS NOT NULL THEN format('%s used, %s wanted', x.used, x.wanted) END,
               (x.used + x.wanted > x.cap) IS NOT TRUE,
               -- What is larger than a day's octets fits on no day.
               CASE WHEN x.wanted > x.cap THEN 'message_size' ELSE x.verdict END, NULL::text,
               format('%s --%s %s', x.target, x.flag, x.used + x.wanted), x.rule, x.cap,
               CASE WHEN x.wanted > x.cap THEN x.wanted ELSE x.used END,
               CASE WHEN x.wanted > x.cap THEN NULL ELSE v_resets END, t.policy
        FROM (VALUES
            ('bytes_daily', t.bytes_daily_cap, coalesce(v_own.bytes, 0), size, 'cap_bytes_daily',
             format('tenant set %s', t.slug), 'bytes-daily'),
            ('credential_bytes_daily', c.bytes_daily_cap, coalesce(v_credential.bytes, 0), size,
             'cap_credential_bytes_daily', format('credential set %s', c.name), 'bytes-daily')
        ) AS x (rule, cap, used, wanted, verdict, target, flag);
    RETURN QUERY SELECT x.*, NULL::text FROM (VALUES
        ('RCPT', 'recipients_per_message', t.recipients_per_message::text, v_count::text,
         v_count <= t.recipients_per_message, 'too_many_recipients', NULL::text,
         format('tenant set %s --recipients-per-message %s', t.slug, v_count), 'recipients_per_message',
         t.recipients_per_message::bigint, v_count, NULL::text),
        ('RCPT', 'credential_recipients_per_message', c.recipients_per_message::text, v_count::text,
         (v_count > c.recipients_per_message) IS NOT TRUE, 'too_many_recipients', NULL,
         format('credential set %s --recipients-per-message %s', c.name, v_count), 'credential_recipients_per_message',
         c.recipients_per_message, v_count, NULL)) AS x;

    RETURN QUERY
        SELECT 'RCPT', x.rule, x.cap::text,
               CASE WHEN x.cap IS NOT NULL THEN format('%s used, %s wanted', x.used, x.wanted) END,
               (x.used + x.wanted > x.cap) IS NOT TRUE, x.verdict, NULL::text,
               format('%s --%s %s', x.target, x.flag, x.used + x.wanted), x.rule, x.cap, x.used,
               CASE x.flag WHEN 'monthly' THEN v_month_resets
                    ELSE CASE x.rule WHEN 'daily' THEN v_rolling_resets ELSE v_resets END END, t.policy
        FROM (VALUES
            ('daily', t.daily_cap, v_daily, v_left, 'cap_daily', format('tenant set %s', t.slug), 'daily'),
            ('monthly', CASE c.mode WHEN 'live' THEN t.monthly_cap END, v_monthly, v_left, 'cap_monthly',
             format('tenant set %s', t.slug), 'monthly'),
            ('credential_daily', c.daily_cap, coalesce(v_credential.recipients, 0), v_left, 'cap_credential_daily',
             format('credential set %s', c.name), 'daily'),
            ('credential_monthly', c.monthly_cap, v_credential_monthly, v_left,
             'cap_credential_monthly', format('credential set %s', c.name), 'monthly')
        ) AS x (rule, cap, used, wanted, verdict, target, flag);
    RETURN QUERY SELECT 'DATA', 'from_domain', 'verified domains of the tenant',
        coalesce(v_bad, array_to_string(from_domains, ' ')), v_bad IS NULL, 'from_domain', NULL::text,
        format('domain add %s %s', t.slug, v_bad), NULL::text, NULL::bigint, NULL::bigint, NULL::text, NULL::text;
    v_bad := (SELECT a.address FROM unnest(from_addresses) WITH ORDINALITY AS a (address, place)
        WHERE c.senders IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(c.senders) AS x (sender)
            WHERE lower(x.sender) IN (lower(a.address), lower(split_part(a.address, '@', -1))))
        ORDER BY a.place LIMIT 1);
    RETURN QUERY SELECT 'DATA', 'senders', array_to_string(c.senders, ', '),
        coalesce(v_bad, array_to_string(from_addresses, ' ')), v_bad IS NULL, 'sender_address', NULL::text,
        v_sets[3] || gatepost.shell_word(v_bad) || coalesce(v_notes[3], ''), NULL::text, NULL::bigint, NULL::bigint, NULL::text,
        NULL::text;
    -- (Whom accept drops. A session that knows how little is left counts them at RCPT like the others.)
    RETURN QUERY SELECT 'DATA', 'suppression',
        CASE WHEN EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = t.id) THEN 'the tenant''s list' END,
        CASE WHEN v_suppressed IS NULL THEN 'none of them is on it'
             ELSE format('%s of %s are dropped: %s', cardinality(v_suppressed), v_count, (
                 SELECT string_agg(format('%s (%s)', x.address, x.reason), ', ')
                 FROM unnest(v_suppressed, v_reasons) AS x (address, reason))) END,
        v_left > 0, 'suppressed', v_suppressed[1] || ': ' || v_reasons[1],
        format('suppression remove %s %s', t.slug, gatepost.shell_word(v_suppressed[1])), NULL::text, NULL::bigint, v_count, NULL::text,
        NULL::text;
    RETURN QUERY
        SELECT 'DATA', x.rule, x.cap::text,
               CASE WHEN x.cap IS NOT NULL THEN format('%s used, %s wanted', x.used, x.wanted) END,
               (x.used + x.wanted > x.cap) IS NOT TRUE, x.verdict, NULL::text,
               format('%s --%s %s', x.target, x.flag, x.used + x.wanted), x.rule, x.cap, x.used, v_resets, t.policy
        FROM (VALUES
            ('first_time_daily', CASE c.mode WHEN 'live' THEN t.first_time_daily_cap END, coalesce(v_own.first_time, 0),
             coalesce(v_first, 0), 'cap_first_time', format('tenant set %s', t.slug), 'first-time-daily')
        ) AS x (rule, cap, used, wanted, verdict, target, flag);
    -- (A full bucket, debt 0, lets any message through; it is paid off afterwards.)
    RETURN QUERY
        SELECT 'DATA', x.rule, CASE WHEN x.rate IS NOT NULL THEN format('%s a minute, burst %s', x.rate, x.burst) END,
               CASE WHEN x.rate IS NOT NULL
                    THEN format('%s still to drain, %s wanted', ceil(x.debt / 60000000.0), v_left) END,
               (x.debt > 0 AND x.debt + v_left * 60000000::bigint > x.burst * 60000000::bigint) IS NOT TRUE, x.verdict,
               format('burst %s', x.burst), format('%s --rate unlimited', x.target), x.rule, x.rate,
               ceil(x.debt / 60000000.0)::bigint,
               CASE WHEN x.debt > 0 THEN gatepost.instant_text(v_now + interval '1 microsecond'
                   * ceil((x.debt - greatest(0, x.burst - v_left) * 60000000.0) / x.rate), v_zone) END, t.policy
        FROM (VALUES
            ('rate', CASE c.mode WHEN 'live' THEN t.rate END, t.burst, v_debt, 'rate', format('tenant set %s', t.slug)),
            ('credential_rate', c.rate, c.burst, v_credential_debt, 'credential_rate',
             format('credential set %s', c.name))
        ) AS x (rule, rate, burst, debt, verdict, target);
END
$$;

ALTER FUNCTION admin.explain(text, text, text, text, text, text[], text[], text[], bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.explain(text, text, text, text, text, text[], text[], text[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.explain(text, text, text, text, text, text[], text[], text[], bigint)
    TO gatepost_admin, gatepost_viewer;
