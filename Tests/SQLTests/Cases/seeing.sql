-- What is looked up: use, health, when a login was last used.
\ir begin.psql
SELECT plan(60);

SELECT is((pg_temp.send(2)).verdict, 'accepted', 'ledger.accept: two recipients');
SELECT is(u.used || ' of ' || u.cap, '2 of 1000', 'admin.usage: the day')
FROM admin.usage('acme') u WHERE u.scope = 'day';
SELECT throws_ok('SELECT admin.usage(''nobody'')', 'GP002', NULL, 'admin.usage: no such tenant');
SELECT ok(h.version >= 130000 AND h.partitions_until ? 'message', 'admin.health: one row') FROM admin.health() h;

SELECT ledger.credential_used(ARRAY[l.tenant_id], ARRAY[l.credential_id], ARRAY[l.id], '{192.0.2.1}',
    ARRAY[timestamptz '2026-06-01 10:00:00+00']) FROM gatepost.login l WHERE l.name = 'acme.a';
SELECT is(host(u.client), '192.0.2.1', 'ledger.credential_used: from where') FROM gatepost.credential_use u;
SELECT ledger.credential_used(ARRAY[l.tenant_id], ARRAY[l.credential_id], ARRAY[l.id], '{192.0.2.2}',
    ARRAY[timestamptz '2026-06-01 09:00:00+00']) FROM gatepost.login l WHERE l.name = 'acme.a';
SELECT is(u.used_at, '2026-06-01 10:00:00+00'::timestamptz,
    'ledger.credential_used: the last use, whoever tells it last')
FROM gatepost.credential_use u;


SELECT is(u.tenant || ' ' || u.used || ' of ' || u.cap || ', ' || u.month_used, 'acme 2 of 1000, 2',
    'admin.usage_tenants: a day and a month') FROM admin.usage_tenants('', 10) u;
SELECT is_empty('SELECT admin.usage_tenants(''acme'', 10)', 'admin.usage_tenants: behind the last');
SELECT is(h.recipients || ' in ' || h.messages || ' of ' || h.cap, '2 in 1 of 1000', 'admin.usage_history: a day')
FROM admin.usage_history('acme', 'day', NULL, NULL, 'tenant', NULL) h;
SELECT is(h.name || ' ' || h.recipients, 'acme.a 2', 'admin.usage_history: of credentials')
FROM admin.usage_history('acme', 'month', NULL, NULL, 'credential', NULL) h;
SELECT is_empty('SELECT admin.usage_history(''acme'', ''day'', ''2001-01-01'', ''2001-02-01'', ''tenant'', NULL)',
    'admin.usage_history: another time');
SELECT throws_ok('SELECT admin.usage_history(''acme'', ''year'', NULL, NULL, ''tenant'', NULL)', 'GP004', NULL,
    'admin.usage_history: another word');
SELECT throws_ok('SELECT admin.usage_history(''acme'', ''day'', NULL, NULL, ''credential'', ''b.c'')', 'GP002', NULL,
    'admin.usage_history: another''s credential');

SELECT is(l.entry || ' ' || l.recipients || ' ' || l.credential, '0 2 acme.a', 'admin.ledger_entries: a debit')
FROM admin.ledger_entries('acme', NULL, NULL, NULL, 10) l;
SELECT is_empty(format('SELECT admin.ledger_entries(''acme'', NULL, %L, 0, 10)', m.id),
    'admin.ledger_entries: behind the last') FROM gatepost.message m;
SELECT throws_ok('SELECT admin.ledger_entries(''nobody'', NULL, NULL, NULL, 10)', 'GP002', NULL,
    'admin.ledger_entries: no such tenant');
SELECT is(concat_ws(' ', l.tenant, l.recipients, l.day_used, l.month_used, l.day_bytes, l.credential_day_used),
    'acme 2 2 2 100 2', 'admin.message_ledger: what it was charged, and where the counters then stood')
FROM gatepost.message m, admin.message_ledger(m.id) l;
SELECT is_empty('SELECT admin.message_ledger(gen_random_uuid())', 'admin.message_ledger: nobody''s');
-- Which limits were in force when it was charged.
SELECT is(l.limits ->> 'daily' || ' ' || coalesce(l.credential_limits::text, 'none'), '1000 none',
    'admin.message_ledger: the limits in force then') FROM gatepost.message m, admin.message_ledger(m.id) l;
SELECT test.at(clock_timestamp() + interval '1 minute');
SELECT is(admin.tenant_set('u', 'acme', '{"daily": 77, "rate": 5}'), true, 'admin.tenant_set: other limits');
SELECT is((SELECT count(*) FROM admin.credential_set('u', 'acme.a', '{"daily": 9}')), 1::bigint,
    'admin.credential_set: a limit of its own');
SELECT is(l.limits ->> 'daily' || ' ' || coalesce(l.credential_limits::text, 'none'), '1000 none',
    'admin.message_ledger: not what was set later') FROM gatepost.message m, admin.message_ledger(m.id) l;
SELECT is((SELECT count(*) FROM gatepost.limit_history h WHERE h.tenant_id = pg_temp.acme() AND h.credential_id = 0),
    2::bigint, 'gatepost.tenant_limits_noted: a row for what was and one for what is');
SELECT is(admin.tenant_set('u', 'acme', '{"contact": "ops@acme.example"}'), true, 'admin.tenant_set: no limit');
SELECT is((SELECT h.limits ->> 'daily' FROM gatepost.limit_history h WHERE h.tenant_id = pg_temp.acme()
           AND h.credential_id = 0 ORDER BY h.at DESC LIMIT 1), '77', 'gatepost.tenant_limits_noted: only where a limit changes');
SELECT is((SELECT h.limits ->> 'daily' FROM gatepost.limit_history h WHERE h.tenant_id = pg_temp.acme()
           AND h.credential_id = pg_temp.credential()), '9', 'gatepost.credential_limits_noted: from its first limit on');
SELECT is((pg_temp.send(1)).verdict, 'accepted', 'ledger.accept: after that');
SELECT is(l.limits ->> 'rate' || ' ' || (l.credential_limits ->> 'daily'), '5 9', 'admin.message_ledger: what was set before')
FROM (SELECT m.id FROM gatepost.message m ORDER BY m.accepted_at DESC LIMIT 1) m, admin.message_ledger(m.id) l;
DELETE FROM gatepost.message m WHERE m.recipients = 1;
DELETE FROM gatepost.event e WHERE e.kind = 'accepted' AND e.message_id NOT IN (SELECT m.id FROM gatepost.message m);

INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id)
SELECT pg_temp.acme(), gatepost.uuid_new(ledger.clock()), ledger.clock(), 'bounced', m.id FROM gatepost.message m;
SELECT is(count(*), 1::bigint, 'admin.event_list: of a kind')
FROM admin.event_list('acme', NULL, 'bounced', NULL, NULL, NULL, NULL, 10, NULL) e;
SELECT is(e.message_id, m.id, 'admin.event_list: of a message')
FROM gatepost.message m, admin.event_list(NULL, NULL, 'bounced', m.id, NULL, NULL, NULL, 10, NULL) e;
SELECT is_empty(format('SELECT admin.event_list(''acme'', NULL, ''bounced'', NULL, NULL, NULL, NULL, 10, %L)',
    e.position), 'admin.event_list: before the first')
FROM admin.event_list('acme', NULL, 'bounced', NULL, NULL, NULL, NULL, 10, NULL) e;
SELECT throws_ok('SELECT admin.event_list(''nobody'', NULL, NULL, NULL, NULL, NULL, NULL, 10, NULL)', 'GP002', NULL,
    'admin.event_list: no such tenant');
SELECT ok(NOT e.matches AND e.id IS NULL AND e.position LIKE '%:00000000-0000-0000-0000-000000000000',
    'admin.event_after: where now is') FROM admin.event_after(NULL, 10, NULL, NULL, NULL, NULL, NULL) e;
SELECT is_empty('SELECT * FROM admin.event_after(''0:00000000-0000-0000-0000-000000000000'', 10, NULL, NULL, ''bounced'',
    NULL, NULL) e WHERE e.matches', 'admin.event_after: nothing of a transaction that is still open');
SELECT throws_ok('SELECT admin.event_after(''now'', 10, NULL, NULL, NULL, NULL, NULL)', 'GP004', NULL,
    'admin.event_after: no position');
SELECT throws_ok(
    format('SELECT admin.event_after(%L, 10, NULL, NULL, NULL, NULL, NULL)',
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 5 || ':00000000-0000-0000-0000-000000000000'), 'GP004', NULL,
    'admin.event_after: a position of another cluster');
SELECT lives_ok(
    format('SELECT admin.event_after(%L, 10, NULL, NULL, NULL, NULL, NULL)',
        pg_snapshot_xmax(pg_current_snapshot())::text || ':00000000-0000-0000-0000-000000000000'),
    'admin.event_after: where now is, and nothing has come since');
SELECT is(f.tenant_id = pg_temp.acme() AND f.credential_id = pg_temp.credential('acme.a'), true,
    'gatepost.event_filter: a credential tells its tenant') FROM gatepost.event_filter(NULL, 'acme.a') f;
SELECT lives_ok('SELECT admin.tenant_create(''me'', ''bolt'', ''{}'')', 'admin.tenant_create: another');
SELECT throws_ok('SELECT admin.event_after(NULL, 10, ''bolt'', ''acme.a'', NULL, NULL, NULL)', 'GP002',
    'credential "acme.a" is not of tenant "bolt"', 'admin.event_after: another tenant''s credential');
SELECT is(p.xid::text || ' ' || p.id, '12 00000000-0000-0000-0000-00000000000a', 'gatepost.event_position: two halves')
FROM gatepost.event_position('12:00000000-0000-0000-0000-00000000000a') p;

SELECT is(string_agg(e.rule, ' '), NULL, 'admin.explain: nothing refuses')
FROM admin.explain('acme.a', '192.0.2.1', 'PLAIN', 'a@acme.example', 'acme.example', '{a@acme.example}',
    '{acme.example}', '{b@c.example}', 100) e WHERE NOT e.passes;
SELECT is(string_agg(e.rule || ' ' || e.stands, ' '), 'daily 3 used, 999 wanted',
    'admin.explain: the rule that refuses, and how it stands')
FROM admin.explain('acme.a', NULL, NULL, '', '', '{a@acme.example}', '{acme.example}',
    array_fill('b@c.example'::text, '{999}'), 100) e WHERE NOT e.passes AND e.verdict = 'cap_daily';
SELECT is(v.verdict, 'accepted', 'admin.explain_trial: what accept says')
FROM admin.explain_trial('acme.a', NULL, 'a@acme.example', 'acme.example', '{a@acme.example}', '{acme.example}',
    '{b@c.example}', '{c.example}', 100) v;
SELECT is(count(*), 1::bigint, 'admin.explain_trial: and took back') FROM gatepost.message;

-- What a hint sets replaces all there was: it names what there is, too.
SELECT lives_ok('SELECT admin.credential_set(''me'', ''acme.a'', ''{"senders": ["c@acme.example", "shop@acme.example"],
    "networks": ["10.0.0.0/8", "2001:db8::/32"], "mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]}'')',
    'admin.credential_set: terms of its own');
-- (Of a domain that the tenant has no more: it would be refused.)
UPDATE gatepost.credential SET senders = senders || ARRAY['x@gone.example'] WHERE name = 'acme.a';
SELECT is(string_agg(e.hint, E'\n'), concat_ws(E'\n',
    'credential set acme.a --network 10.0.0.0/8 --network 2001:db8::/32 --network 192.0.2.1',
    'credential set acme.a --mechanism SCRAM-SHA-256 --mechanism SCRAM-SHA-256-PLUS --mechanism PLAIN',
    'credential set acme.a --sender c@acme.example --sender shop@acme.example --sender new@acme.example',
    'credential set acme.a --sender c@acme.example --sender shop@acme.example --sender b@acme.example'),
    'admin.explain: a hint keeps what works')
FROM admin.explain('acme.a', '192.0.2.1', 'PLAIN', 'new@acme.example', 'acme.example',
    '{shop@acme.example,b@acme.example}', '{acme.example,acme.example}', '{b@c.example}', 100) e WHERE NOT e.passes;
UPDATE gatepost.credential SET networks = ARRAY(SELECT format('10.0.%s.0/24', n)::cidr FROM generate_series(1, 21) n),
    senders = ARRAY(SELECT format('a%s@acme.example', n) FROM generate_series(1, 21) n), mechanisms = NULL
WHERE name = 'acme.a';
SELECT is(string_agg(e.hint, E'\n'), concat_ws(E'\n',
    'credential set acme.a --network EACH --network 192.0.2.1 (EACH: the 21 there are, which this replaces; '
        || 'gatepost credential show acme.a)',
    'credential set acme.a --sender EACH --sender new@acme.example (EACH: the 21 there are, which this replaces; '
        || 'gatepost credential show acme.a)'),
    'admin.explain: a hint is bounded')
FROM admin.explain('acme.a', '192.0.2.1', 'PLAIN', 'new@acme.example', 'acme.example', '{a1@acme.example}',
    '{acme.example}', '{b@c.example}', 100) e WHERE NOT e.passes;
UPDATE gatepost.credential SET networks = NULL, senders = NULL WHERE name = 'acme.a';

UPDATE gatepost.tenant SET daily_window = 'rolling', daily_cap = 4 WHERE slug = 'acme';
SELECT is(e.resets_text, v.resets_text, 'admin.explain: when a rolling window has room')
FROM admin.explain('acme.a', NULL, NULL, 'a@acme.example', 'acme.example', '{a@acme.example}', '{acme.example}',
    '{b@c.example,c@c.example}', 100) e,
    admin.explain_trial('acme.a', NULL, 'a@acme.example', 'acme.example', '{a@acme.example}', '{acme.example}',
        '{b@c.example,c@c.example}', '{c.example,c.example}', 100) v
WHERE e.rule = 'daily' AND NOT e.passes AND v.verdict = 'cap_daily' AND v.resets_text IS NOT NULL;
UPDATE gatepost.tenant SET daily_window = 'day', daily_cap = 1000 WHERE slug = 'acme';

-- Where an instant is in the order of transactions.
DELETE FROM gatepost.event;
SELECT is(gatepost.event_bound('2026-06-01 10:00:00+00', '2026-06-01 10:00:00+00')::text, NULL, 'gatepost.event_bound: nothing there');
SELECT gatepost.make_partition('event', timestamptz '2026-06-01 10:00:00+00' + d * interval '1 day') FROM generate_series(0, 1) d;
INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, xid)
SELECT pg_temp.acme(), gatepost.uuid_new(q.at), q.at, 'accepted', gen_random_uuid(),
       CASE WHEN g % 10 = 0 THEN pg_temp.credential('acme.b') ELSE pg_temp.credential() END, (100 + g / 3)::text::xid8
FROM generate_series(0, 2000) g, LATERAL (SELECT timestamptz '2026-06-01 00:00:00+00' + g * interval '1 minute' AS at) q;
SELECT is(gatepost.event_bound('2026-06-01 10:00:00+00', '2026-06-01 10:00:00+00')::text, '300', 'gatepost.event_bound: its first');
SELECT is(gatepost.event_bound('2026-06-01 10:00:00+00', '2026-05-31 10:00:00+00')::text, '100', 'gatepost.event_bound: before all');
SELECT is(gatepost.event_bound('2026-06-01 10:00:00+00', '2026-06-02 00:00:00+00')::text, NULL,
    'gatepost.event_bound: behind all of its day');
SELECT is(count(*) || ' ' || min(e.at AT TIME ZONE 'UTC') || ' ' || max(e.at AT TIME ZONE 'UTC'),
    '120 2026-06-01 07:30:00 2026-06-01 09:29:00', 'admin.event_list: between two times, whole')
FROM admin.event_list(NULL, NULL, NULL, NULL, NULL, '2026-06-01 07:30:00+00', '2026-06-01 09:30:00+00', 500, NULL) e;
SELECT is(count(*) || ' ' || max(e.at AT TIME ZONE 'UTC'), '12 2026-06-01 09:20:00', 'admin.event_list: of a credential')
FROM admin.event_list(NULL, 'acme.b', NULL, NULL, NULL, '2026-06-01 07:30:00+00', '2026-06-01 09:30:00+00', 500, NULL) e;
UPDATE gatepost.event e SET xid = '900000000000' WHERE e.credential_id = pg_temp.credential('acme.b');
SELECT is(r.moved || ' ' || (r.last = (SELECT max(e.id::text) FROM gatepost.event e)::uuid), '2000 true',
    'gatepost.event_restored: all that are no newer than what seems yet to come') FROM gatepost.event_restored(2000, NULL) r;
SELECT is(r.moved, 1::bigint, 'gatepost.event_restored: a part at a time') FROM gatepost.event_restored(2000, NULL) r;
SELECT is(r.moved, 0::bigint, 'gatepost.event_restored: once') FROM gatepost.event_restored(2000, NULL) r;
SELECT is(count(*), 840::bigint, 'gatepost.event_restored: a time is found then')
FROM admin.event_list(NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01 14:00:00+00', 5000, NULL) e;
SELECT results_eq(
    $$SELECT gatepost.shell_word(w.word) FROM unnest(ARRAY['a@b.example', '10.0.0.0/8', '-x', 'o''brien@b.example',
        '"$(id)"@b.example', '`id`@b.example', 'a b', '']) WITH ORDINALITY AS w (word, place) ORDER BY w.place$$,
    ARRAY['a@b.example', '10.0.0.0/8', '''-x''', '''o''\''''brien@b.example''', '''"$(id)"@b.example''',
        '''`id`@b.example''', '''a b''', ''''''],
    'gatepost.shell_word: a word of a command is what a shell makes of it');

SELECT * FROM finish();
ROLLBACK;
