-- accept's limits: of credentials, bytes, first-time recipients, proposed caps, warnings, test mode, and their events.
\ir begin.psql
SELECT plan(71);
SELECT test.at('2026-06-01 10:00:00+00');
UPDATE gatepost.tenant t SET daily_cap = 1000, warn_percents = '{}';

-- A message as JSON over defaults, and what was said of it in one line.
CREATE FUNCTION pg_temp.said(message jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', v.verdict, v.limit_name, v.cap, v.used, v.resets_text, v.detail)
    FROM test.accept(jsonb_build_array('{"tenant": "acme", "recipients": 1, "size": 100}' || message),
                     gatepost.uuid_new(ledger.clock()), NULL) v
$$;

-- What a credential may not.
UPDATE gatepost.credential SET not_before = '2026-06-01 10:00:00.000001+00' WHERE name = 'acme.a';
SELECT is(pg_temp.said(), 'credential_not_yet 2026-06-01T10:00:01+00:00', 'ledger.accept: not yet');
UPDATE gatepost.credential SET not_before = '2026-06-01 10:00:00+00' WHERE name = 'acme.a';
SELECT is(pg_temp.said(), 'accepted', 'ledger.accept: from its first moment on');
UPDATE gatepost.credential SET suspended_at = ledger.clock(), suspended_reason = 'lost' WHERE name = 'acme.a';
SELECT is(pg_temp.said(), 'credential_suspended lost', 'ledger.accept: a suspended credential, and why');
UPDATE gatepost.credential SET suspended_at = NULL, senders = '{a@acme.example, Mail.ACME.example}' WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"addresses": ["A@acme.example"]}'), 'accepted', 'ledger.accept: an allowed address');
SELECT is(pg_temp.said('{"addresses": ["a@acme.example", "b@acme.example"]}'), 'sender_address b@acme.example',
    'ledger.accept: every author must be allowed');
SELECT is(pg_temp.said(), 'sender_address acme.example',
    'ledger.accept: where the authors are not told, an address is allowed for none of them');
SELECT is(pg_temp.said('{"addresses": ["x@mail.acme.example"]}'), 'accepted', 'ledger.accept: a domain allows all of it');
UPDATE gatepost.credential SET senders = '{b@acme.example}' WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"addresses": ["b@acme.example"]}'), 'sender_address a@acme.example',
    'ledger.accept: the envelope sender must be allowed too');
UPDATE gatepost.tenant SET null_sender = true;
SELECT is(pg_temp.said('{"addresses": ["b@acme.example"], "sender": ""}'), 'accepted',
    'ledger.accept: the null sender is nobody');
UPDATE gatepost.credential SET senders = '{acme.example}' WHERE name = 'acme.a';
SELECT is(pg_temp.said(), 'accepted', 'ledger.accept: the domain is enough where it is allowed as a whole');
UPDATE gatepost.credential SET senders = NULL, message_size = 2000, recipients_per_message = 2 WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"size": 2001}'), 'message_size credential_message_size 2000 2001',
    'ledger.accept: a credential''s own size');
SELECT is(pg_temp.said('{"recipients": 3}'), 'too_many_recipients credential_recipients_per_message 2 3',
    'ledger.accept: a credential''s own recipients per message');
UPDATE gatepost.tenant SET message_size = 1500;
SELECT is(pg_temp.said('{"size": 1800}'), 'message_size message_size 1500 1800',
    'ledger.accept: the smaller of both counts, and is named');
UPDATE gatepost.tenant SET message_size = 26214400;
UPDATE gatepost.credential SET message_size = NULL, recipients_per_message = NULL WHERE name = 'acme.a';

-- Months, bytes and rates of a credential. (5 recipients and 500 octets so far, all of acme.a's.)
SELECT is(test.balance('acme')::text, '(5,5,5,5,5,5)', 'ledger.accept: nothing refused was charged');
SELECT test.at('2026-06-02 10:00:00+00');
UPDATE gatepost.credential SET monthly_cap = 7 WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"recipients": 3}'), 'cap_credential_monthly credential_monthly 7 5 2026-07-01T00:00:00+00:00',
    'ledger.accept: a credential''s month is the sum of its days');
SELECT is(pg_temp.said('{"recipients": 2}'), 'accepted', 'ledger.accept: up to the cap');
SELECT is(pg_temp.said('{"credential": "acme.b"}'), 'accepted', 'ledger.accept: another credential has its own month');
SELECT test.at('2026-07-01 00:00:00+00');
SELECT is(pg_temp.said('{"recipients": 7}'), 'accepted', 'ledger.accept: the next month starts anew');
UPDATE gatepost.credential SET monthly_cap = NULL, bytes_daily_cap = 1000 WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"size": 901}'),
    'cap_credential_bytes_daily credential_bytes_daily 1000 100 2026-07-02T00:00:00+00:00',
    'ledger.accept: octets of a credential, a message''s once');
SELECT is(pg_temp.said('{"size": 1001}'), 'message_size credential_bytes_daily 1000 1001',
    'ledger.accept: what is larger than a day''s octets fits on no day');
SELECT is(pg_temp.said('{"size": 900, "recipients": 9}'), 'accepted', 'ledger.accept: octets up to the cap');
UPDATE gatepost.credential SET bytes_daily_cap = NULL WHERE name = 'acme.a';
UPDATE gatepost.tenant SET bytes_daily_cap = 1500;
SELECT is(pg_temp.said('{"size": 501}'), 'cap_bytes_daily bytes_daily 1500 1000 2026-07-02T00:00:00+00:00',
    'ledger.accept: octets of a tenant');
SELECT is(pg_temp.said('{"size": 1501}'), 'message_size bytes_daily 1500 1501', 'ledger.accept: nor of a tenant''s');
SELECT is(pg_temp.said('{"size": 500, "credential": "acme.b"}'), 'accepted', 'ledger.accept: of all its credentials');
UPDATE gatepost.tenant SET bytes_daily_cap = NULL;
UPDATE gatepost.credential SET rate = 60, burst = 2 WHERE name = 'acme.a';
SELECT is(pg_temp.said('{"recipients": 2}'), 'accepted', 'ledger.accept: a burst of a credential');
SELECT is(pg_temp.said(), 'credential_rate credential_rate 60 2 2026-07-01T00:00:01+00:00 burst 2',
    'ledger.accept: and then its pace');
SELECT is(pg_temp.said('{"credential": "acme.b"}'), 'accepted', 'ledger.accept: another credential has its own bucket');
SELECT test.at('2026-07-01 00:00:01+00');
SELECT is(pg_temp.said(), 'accepted', 'ledger.accept: a recipient a second');
SELECT is(pg_temp.said(), 'credential_rate credential_rate 60 2 2026-07-01T00:00:02+00:00 burst 2',
    'ledger.accept: and no more');
UPDATE gatepost.credential SET rate = NULL, burst = NULL WHERE name = 'acme.a';

-- First-time recipients. (r1 to r9 were sent to; x and y were not.)
SELECT test.at('2026-07-02 10:00:00+00');
SELECT is(gatepost.correspondent_fill(pg_temp.acme()), 9::bigint,
    'gatepost.correspondent_fill: whom the stored recipients name');
SELECT is(gatepost.correspondent_fill(pg_temp.acme()), 0::bigint, 'gatepost.correspondent_fill: again, nothing new');
UPDATE gatepost.tenant SET first_time_daily_cap = 3;
SELECT is(pg_temp.said('{"recipients": 9}'), 'accepted', 'ledger.accept: known recipients are as many as one likes');
SELECT is(pg_temp.said('{"recipients": 2, "to": "x"}'), 'accepted', 'ledger.accept: two new ones');
SELECT is(pg_temp.said('{"recipients": 2, "to": "y"}'),
    'cap_first_time first_time_daily 3 2 2026-07-03T00:00:00+00:00', 'ledger.accept: two more are too many');
SELECT is(pg_temp.said('{"recipients": 3, "to": "x"}'), 'accepted', 'ledger.accept: one more fits');
SELECT is(string_agg(v.verdict, ' ' ORDER BY v.ord), 'accepted cap_first_time accepted',
    'ledger.accept: within a batch too, and a new one is new once')
FROM (SELECT test.at('2026-07-03 10:00:00+00')) s, LATERAL test.accept('[
    {"tenant": "acme", "recipients": 3, "size": 1, "to": "z"}, {"tenant": "acme", "recipients": 4, "size": 1, "to": "z"},
    {"tenant": "acme", "recipients": 3, "size": 1, "to": "z"}]', gatepost.uuid_new(ledger.clock()), NULL)
    WITH ORDINALITY AS v (id, verdict, queue_id, limit_name, cap, used, resets_at, resets_text, policy, detail,
        remaining, clock, ord);
SELECT is(sum(u.first_time), 6::numeric, 'ledger.accept: first-time recipients are counted by day')
FROM gatepost.usage u WHERE u.credential_id = 0 AND u.period = 'day';
SELECT test.at('2026-09-30 00:00:00+00');
SELECT is((SELECT count(*) FROM ledger.upkeep_expired(1000) n WHERE n > 0), 1::bigint,
    'ledger.upkeep_expired: has old rows to delete');
SELECT is((SELECT count(*) FROM gatepost.correspondent), 15::bigint,
    'ledger.upkeep_expired: 90 days are remembered');
SELECT test.at('2026-10-01 00:00:00+00');
SELECT ok(ledger.upkeep_expired(1000) > 0, 'ledger.upkeep_expired: and no more');
SELECT is((SELECT count(*) FROM gatepost.correspondent), 3::bigint,
    'ledger.upkeep_expired: who was sent to later is still known');
UPDATE gatepost.tenant SET first_time_daily_cap = NULL;

-- Proposed caps: written down, and accepted.
UPDATE gatepost.tenant SET shadow_daily_cap = 3;
SELECT is(string_agg(v.verdict, ' ' ORDER BY v.ord), 'accepted accepted accepted', 'ledger.accept: a proposed cap refuses nothing')
FROM test.accept('[{"tenant": "acme", "recipients": 2, "size": 10}, {"tenant": "acme", "recipients": 2, "size": 10},
    {"tenant": "acme", "recipients": 1, "size": 10}]', gatepost.uuid_new(ledger.clock()), NULL)
    WITH ORDINALITY AS v (id, verdict, queue_id, limit_name, cap, used, resets_at, resets_text, policy, detail,
        remaining, clock, ord);
SELECT is(string_agg(e.detail::text, ' '),
    '{"cap": 3, "size": 10, "used": 2, "limit_name": "daily", "recipients": 2}',
    'ledger.accept: what it would have refused, and only that') FROM gatepost.event e WHERE e.kind = 'would_refuse';
SELECT is(u.recipients || ' ' || u.shadow_recipients, '5 2', 'ledger.accept: a proposed cap counts for itself')
FROM gatepost.usage u WHERE u.credential_id = 0 AND u.period = 'day' AND u.starts = '2026-10-01';
-- A refund takes from it what was refunded.
SELECT is(count(*), 2::bigint, 'ledger.cancel: of the message that it would have refused')
FROM (SELECT l.message_id FROM gatepost.ledger l WHERE l.shadow) m, ledger.cancel('u', ARRAY[m.message_id], NULL) c;
SELECT is(u.recipients || ' ' || u.shadow_recipients, '3 0', 'gatepost.refund: what counted apart is refunded apart')
FROM gatepost.usage u WHERE u.credential_id = 0 AND u.period = 'day' AND u.starts = '2026-10-01';
SELECT is(sum(u.shadow_recipients), 0::numeric, 'gatepost.refund: of the hour too') FROM gatepost.usage_hour u;
DELETE FROM gatepost.event e WHERE e.kind = 'cancelled';
SELECT is(pg_temp.said('{"recipients": 2}'), 'accepted', 'ledger.accept: as many again');
UPDATE gatepost.tenant SET shadow_daily_cap = NULL;

-- What is prepared before the meter is locked, and what is left for under it.
DELETE FROM gatepost.correspondent;
SELECT is(p.since IS NULL AND p.prepared = '{}', true, 'gatepost.correspondent_prepare: nothing without such a limit')
FROM gatepost.correspondent_prepare(ARRAY(SELECT t FROM gatepost.tenant t)) p;
CREATE TEMPORARY TABLE prepared AS
SELECT p.* FROM gatepost.correspondent_prepare(ARRAY(
    SELECT jsonb_populate_record(t, '{"first_time_daily_cap": 5}') FROM gatepost.tenant t)) p;
SELECT is((SELECT count(*) FROM gatepost.correspondent), 5::bigint,
    'gatepost.correspondent_prepare: whom it has written to in 90 days');
SELECT is(gatepost.correspondent_fill(pg_temp.acme(), pg_snapshot_xmax(pg_current_snapshot())), 0::bigint,
    'gatepost.correspondent_fill: nothing was accepted since');
DELETE FROM gatepost.correspondent;
SELECT cmp_ok(gatepost.correspondent_fill(pg_temp.acme(), (SELECT p.since FROM prepared p)), '>', 0::bigint,
    'gatepost.correspondent_fill: what transactions accepted that were open then');

-- Warnings: once for a day or month and percent.
UPDATE gatepost.tenant SET daily_cap = 20, warn_percents = '{50,80,100}';
SELECT is(pg_temp.said('{"recipients": 4}'), 'accepted', 'ledger.accept: 9 of 20');
SELECT is_empty('SELECT FROM gatepost.warning', 'ledger.accept: no warning before its percent');
SELECT is(pg_temp.said('{"recipients": 7}'), 'accepted', 'ledger.accept: 16 of 20');
SELECT results_eq('SELECT w.percent, w.used FROM gatepost.warning w ORDER BY 1', 'VALUES (50, 16::bigint), (80, 16)',
    'ledger.accept: every percent that was reached');
SELECT is(pg_temp.said('{"recipients": 1}'), 'accepted', 'ledger.accept: 17 of 20');
UPDATE gatepost.tenant SET daily_cap = 17;
SELECT is(pg_temp.said('{"recipients": 1}'), 'cap_daily daily 17 17 2026-10-02T00:00:00+00:00',
    'ledger.accept: a lowered cap refuses what comes');
SELECT is((SELECT string_agg(e.detail ->> 'percent', ' ') FROM gatepost.event e WHERE e.kind = 'limit_warning'),
    '50 80', 'ledger.accept: an event for each warning, and each once');

-- Test mode.
UPDATE gatepost.tenant SET daily_cap = 50, warn_percents = '{}';
UPDATE gatepost.credential SET mode = 'test' WHERE name = 'acme.b';
CREATE TEMP TABLE before AS SELECT test.balance('acme')::text AS balance;
SELECT is(pg_temp.said('{"recipients": 40, "credential": "acme.b"}'), 'accepted test', 'ledger.accept: a test is accepted');
SELECT is(pg_temp.said('{"recipients": 11, "credential": "acme.b"}'),
    'cap_daily daily 50 40 2026-10-02T00:00:00+00:00', 'ledger.accept: tests have the cap, and a counter of their own');
UPDATE gatepost.credential SET monthly_cap = 42, rate = 1, burst = 3 WHERE name = 'acme.b';
SELECT is(pg_temp.said('{"recipients": 3, "credential": "acme.b"}'),
    'cap_credential_monthly credential_monthly 42 40 2026-11-01T00:00:00+00:00', 'ledger.accept: what a test''s credential has of its own holds');
SELECT is(pg_temp.said('{"recipients": 2, "credential": "acme.b"}'), 'accepted test', 'ledger.accept: and has room for so many');
UPDATE gatepost.credential SET monthly_cap = NULL WHERE name = 'acme.b';
SELECT matches(pg_temp.said('{"recipients": 2, "credential": "acme.b"}'), '^credential_rate credential_rate 1 2 .* burst 3$',
    'ledger.accept: its rate too');
UPDATE gatepost.credential SET rate = NULL, burst = NULL WHERE name = 'acme.b';
SELECT is(test.balance('acme')::text, b.balance, 'ledger.accept: a test is in no ledger and no counter') FROM before b;
SELECT is(string_agg(DISTINCT m.kind || ' ' || r.state || ' ' || convert_from(r.reply, 'UTF8'), ','),
    'test cancelled test mode: never forwarded', 'ledger.accept: a test is final from the start')
FROM gatepost.message m JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
WHERE m.credential_id = pg_temp.credential('acme.b') AND m.kind <> 'mail';

-- Events of accept.
CREATE TEMP TABLE sent AS
SELECT v.* FROM test.accept('[{"tenant": "acme", "recipients": 2, "size": 5,
    "session": "019a0000-0000-7000-8000-000000000001"}, {"tenant": "acme", "recipients": 60, "size": 7,
    "session": "019a0000-0000-7000-8000-000000000001"}]', gatepost.uuid_new(ledger.clock()), NULL) v;
SELECT is(string_agg(e.kind || ' ' || coalesce(e.detail ->> 'verdict', '-') || ' ' || coalesce(e.detail ->> 'recipients', '-')
    || ' ' || (e.credential_id = pg_temp.credential())::text, ', ' ORDER BY e.kind),
    'accepted - - true, refused cap_daily 60 true', 'ledger.accept: an event for each message, by the id it was told')
FROM sent s JOIN gatepost.event e ON e.message_id = s.id
WHERE e.session = '019a0000-0000-7000-8000-000000000001';

-- A refund reaches the sender domain, and names who paid.
SELECT is((SELECT count(*) FROM sent s, ledger.cancel('me', ARRAY[s.id], 'why') c WHERE s.verdict = 'accepted'), 2::bigint,
    'ledger.cancel: both of its recipients');
SELECT is((SELECT sum(u.recipients) FROM gatepost.usage_domain u WHERE u.domain = 'acme.example'),
    (SELECT sum(l.recipients) FROM gatepost.ledger l), 'gatepost.refund: the sender domain''s figures too');
SELECT is(string_agg(e.credential_id::text, ' '), pg_temp.credential() || ' ' || pg_temp.credential(),
    'gatepost.cancel_recipients: its events name who paid') FROM gatepost.event e WHERE e.kind = 'cancelled';

SELECT is_empty($$SELECT * FROM admin.usage_verify('acme', '2026-06-01', '2026-10-31')$$,
    'admin.usage_verify: all of that is in order');

SELECT * FROM finish();
ROLLBACK;
