-- What a session asks about who it is, and writes down about what it refused.
\ir begin.psql
SELECT plan(20);

INSERT INTO gatepost.login (tenant_id, credential_id, name, certificate)
SELECT c.tenant_id, c.id, 'acme.a.tls', sha256('a certificate') FROM gatepost.credential c WHERE c.name = 'acme.a';
SELECT is(ledger.certificate_login(sha256('a certificate')), 'acme.a.tls', 'ledger.certificate_login: whose it is');
SELECT is(ledger.certificate_login(sha256('another')), NULL, 'ledger.certificate_login: nobody''s');
SELECT is(ledger.certificate_login(NULL), NULL, 'ledger.certificate_login: none is nobody''s');
SELECT ok(l.verifier IS NULL AND l.certificate = sha256('a certificate'), 'ledger.login: by certificate, no secret')
FROM ledger.login('acme.a.tls') l;

UPDATE gatepost.credential c SET not_before = '2040-01-01 00:00Z', suspended_at = '2030-01-01 00:00Z',
    suspended_reason = 'leak', mechanisms = '{SCRAM-SHA-256}', senders = '{news@acme.example}', sessions = 3,
    message_size = 2000, recipients_per_message = 5000, monthly_cap = 50, bytes_daily_cap = 900
WHERE c.name = 'acme.a';
SELECT ok(l.credential_not_before = '2040-01-01 00:00Z' AND l.not_before_text LIKE '2040-01-01T%'
    AND l.credential_suspended_reason = 'leak' AND l.credential_suspended_at IS NOT NULL,
    'ledger.login: not yet, and suspended, as stored') FROM ledger.login('acme.a') l;
SELECT is(l.mode || l.mechanisms::text || l.senders::text, 'live{SCRAM-SHA-256}{news@acme.example}',
    'ledger.login: what the credential may do') FROM ledger.login('acme.a') l;
SELECT is(ROW (l.message_size, l.message_size_limit, l.recipients_per_message, l.recipients_limit,
        l.credential_sessions),
    ROW (2000::bigint, 'credential_message_size'::text, 100, 'recipients_per_message'::text, 3),
    'ledger.login: the tighter of two limits, and whose it is') FROM ledger.login('acme.a') l;
SELECT is(l.limit_name || ' ' || l.remaining, 'credential_monthly 50',
    'ledger.login: a credential''s month is a cap, too') FROM ledger.login('acme.a') l;
SELECT is(l.byte_limit_name || ' ' || l.byte_remaining, 'credential_bytes_daily 900',
    'ledger.login: the cap on octets with the least left') FROM ledger.login('acme.a') l;
SELECT ok(l.byte_resets_at > ledger.clock() AND l.byte_resets_text IS NOT NULL, 'ledger.login: and when it resets')
FROM ledger.login('acme.a') l;

INSERT INTO gatepost.usage (tenant_id, credential_id, period, starts, recipients, messages, bytes)
SELECT c.tenant_id, n.id, n.period, (ledger.clock() AT TIME ZONE t.zone)::date, n.recipients, 1, 100
FROM gatepost.credential c JOIN gatepost.tenant t ON t.id = c.tenant_id
CROSS JOIN LATERAL (VALUES (c.id, 'day', 10), (c.id, 'test', 49)) AS n (id, period, recipients)
WHERE c.name = 'acme.a';
SELECT is(l.remaining, 40::bigint, 'ledger.login: the month is the sum of its days') FROM ledger.login('acme.a') l;
UPDATE gatepost.credential c SET mode = 'test', daily_cap = 50, monthly_cap = 60 WHERE c.name = 'acme.a';
SELECT is(l.limit_name || ' ' || l.remaining, 'credential_daily 1',
    'ledger.login: in test mode what was used in test mode counts') FROM ledger.login('acme.a') l;
UPDATE gatepost.credential c SET daily_cap = 60, monthly_cap = 51 WHERE c.name = 'acme.a';
SELECT is(l.limit_name || ' ' || l.remaining || ' ' || l.used, 'credential_monthly 2 49',
    'ledger.login: in the month as well') FROM ledger.login('acme.a') l;
UPDATE gatepost.credential c SET monthly_cap = NULL, bytes_daily_cap = NULL, daily_cap = NULL WHERE c.name = 'acme.a';
SELECT ok(l.byte_limit_name IS NULL AND l.byte_remaining IS NULL, 'ledger.login: no cap on octets, no room of them')
FROM ledger.login('acme.a') l;

CREATE TEMP TABLE told AS SELECT gatepost.uuid_new(ledger.clock()) AS id, gatepost.uuid_new(ledger.clock()) AS session,
    ledger.clock() AS at;
CREATE FUNCTION pg_temp.tell() RETURNS void LANGUAGE sql AS $$
    SELECT ledger.refused(ARRAY[t.id], '{1}', '{2}', ARRAY[t.session], ARRAY[t.at + interval '1 day'], '{RCPT}', '{450}',
        '{4.7.1}', '{Daily cap}', '{TO:<a@b.example>}', '{daily}', '{3}', '{3}', '{tomorrow}', '{192.0.2.1}')
    FROM told t
$$;
SELECT pg_temp.tell();
SELECT is(ROW (e.kind, e.credential_id, e.session, e.reply_code, e.reply_enhanced),
    ROW ('refused'::text, 2::bigint, t.session, 450, '4.7.1'::text), 'ledger.refused: an event')
FROM told t JOIN gatepost.event e ON e.message_id = t.id;
SELECT is(e.detail, '{"by": "node", "cap": 3, "used": 3, "limit": "daily", "reply": "450 4.7.1 Daily cap",
    "stage": "RCPT", "client": "192.0.2.1", "resets": "tomorrow", "argument": "TO:<a@b.example>"}'::jsonb,
    'ledger.refused: with its figures') FROM told t JOIN gatepost.event e ON e.message_id = t.id;
SELECT ok(e.at <= ledger.clock(), 'ledger.refused: never later than now')
FROM told t JOIN gatepost.event e ON e.message_id = t.id;
SELECT pg_temp.tell();
SELECT is(count(*), 1::bigint, 'ledger.refused: once, however often it is told')
FROM told t JOIN gatepost.event e ON e.message_id = t.id;
UPDATE told SET id = gatepost.uuid_new('2300-01-01 00:00Z');
SELECT lives_ok('SELECT pg_temp.tell()', 'ledger.refused: by a node whose clock is far off, too');
SELECT ledger.refused(ARRAY[gatepost.uuid_new(ledger.clock())], '{1}', '{2}', ARRAY[t.session], ARRAY[t.at], '{DATA}',
    '{451}', ARRAY[NULL::text], '{x}', ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text],
    ARRAY[NULL::text], ARRAY[NULL::text]) FROM told t;
SELECT is(e.detail, '{"by": "node", "reply": "451 x", "stage": "DATA"}'::jsonb,
    'ledger.refused: what is not known is left out')
FROM gatepost.event e WHERE e.reply_code = 451;

SELECT * FROM finish();
ROLLBACK;
