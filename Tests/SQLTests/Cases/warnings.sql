-- What a notifier calls, and whether the counters are right.
\ir begin.psql
SELECT plan(19);
SELECT test.at('2026-06-01 10:00:00+00');
SELECT admin.tenant_set('me', 'acme', '{"daily": 10}');
UPDATE gatepost.tenant t SET contact = 'ops@acme.example';
SELECT is((pg_temp.send(8)).verdict, 'accepted', 'ledger.accept: 8 of 10');

SELECT results_eq('SELECT w.tenant, w.credential, w.limit_name, w.percent, w.cap, w.used, w.contact, w.resets_text
                   FROM ledger.warnings(10) w ORDER BY w.percent',
    $$VALUES ('acme', NULL, 'daily', 50, 10::bigint, 8::bigint, 'ops@acme.example', '2026-06-02T00:00:00+00:00'),
             ('acme', NULL, 'daily', 80, 10, 8, 'ops@acme.example', '2026-06-02T00:00:00+00:00')$$,
    'ledger.warnings: what a mail about it says');
SELECT is((SELECT count(*) FROM ledger.warnings(1)), 1::bigint, 'ledger.warnings: no more than asked for');
SELECT ok(ledger.warning_noticed(pg_temp.acme(), 0, 'daily', '2026-06-01', 50), 'ledger.warning_noticed: the first');
SELECT ok(NOT ledger.warning_noticed(pg_temp.acme(), 0, 'daily', '2026-06-01', 50),
    'ledger.warning_noticed: nobody else');
SELECT ok(NOT ledger.warning_noticed(pg_temp.acme(), 0, 'daily', '2026-06-02', 50),
    'ledger.warning_noticed: nor one that is not there');
SELECT is((SELECT count(*) FROM gatepost.message WHERE kind = 'notice'), 0::bigint,
    'ledger.warning_noticed: without an address no mail');
SELECT ok(ledger.warning_noticed(pg_temp.acme(), 0, 'daily', '2026-06-01', 80, 'ops@acme.example', 'acme.example',
    'Subject: x'), 'ledger.warning_noticed: with a mail');
SELECT results_eq($$SELECT m.sender, m.size, r.address, r.state, r.notify::int, r.owner_id
                    FROM gatepost.warning w JOIN gatepost.message m ON m.id = w.mail_id AND m.kind = 'notice'
                    JOIN gatepost.recipient r ON r.message_id = m.id$$,
    $$VALUES ('', 10::bigint, 'ops@acme.example', 'queued', 0, NULL::uuid)$$,
    'ledger.warning_noticed: from the null sender, free, and nothing is told of it');
SELECT is(test.balance('acme')::text, '(8,8,8,8,8,9)', 'ledger.warning_noticed: a notice is never charged');
SELECT is_empty('SELECT * FROM ledger.warnings(10)', 'ledger.warnings: all are noticed');

SELECT is_empty($$SELECT * FROM admin.usage_verify(NULL, '2026-06-01', '2026-06-01')$$,
    'admin.usage_verify: a notice is outside of the equation');
UPDATE gatepost.usage SET recipients = 9 WHERE credential_id = 0;
SELECT results_eq($$SELECT v.credential, v.period, v.starts, v.what, v.figure, v.counter, v.ledger, v.stored
                    FROM admin.usage_verify('acme', '2026-06-01', '2026-06-01') v$$,
    $$VALUES (NULL, 'day', date '2026-06-01', 'counter', 'recipients', 9::bigint, 8::bigint, NULL::bigint),
             (NULL, 'month', '2026-06-01', 'counter', 'recipients', 9, 8, NULL)$$,
    'admin.usage_verify: a counter that is not the ledger''s sum');
UPDATE gatepost.usage SET recipients = 8 WHERE credential_id = 0;
UPDATE gatepost.recipient SET state = 'cancelled' WHERE number = 2;
SELECT results_eq($$SELECT v.credential, v.what, v.ledger, v.stored
                    FROM admin.usage_verify('acme', '2026-06-01', '2026-06-01') v$$,
    $$VALUES ('acme.a', 'stored', 8::bigint, 7::bigint)$$,
    'admin.usage_verify: a recipient cancelled and not refunded');
SELECT is_empty($$SELECT * FROM admin.usage_verify('acme', '2026-06-02', '2026-06-30')$$,
    'admin.usage_verify: other days are in order');
UPDATE gatepost.recipient SET state = 'queued' WHERE number = 2;

-- (As many recipients too many in one message as too few in another: the sums are equal.)
SELECT test.at('2026-06-01 10:00:01+00');
SELECT is((pg_temp.send(2)).verdict, 'accepted', 'ledger.accept: the rest');
CREATE TEMP TABLE mail AS
SELECT m.id, row_number() OVER (ORDER BY m.id) AS place FROM gatepost.message m WHERE m.kind = 'mail';
UPDATE gatepost.recipient r SET message_id = (SELECT m.id FROM mail m WHERE m.place = 2), number = 9
WHERE r.message_id = (SELECT m.id FROM mail m WHERE m.place = 1) AND r.number = 8;
SELECT results_eq($$SELECT v.credential, v.what, v.figure, v.ledger, v.stored
                    FROM admin.usage_verify('acme', '2026-06-01', '2026-06-01') v$$,
    $$SELECT 'acme.a', 'stored', 'recipients of ' || m.id, 8::bigint, 7::bigint FROM mail m WHERE m.place = 1$$,
    'admin.usage_verify: a recipient of one message stored with another');
UPDATE gatepost.drop_horizon SET below = '2026-06-02';
SELECT is_empty($$SELECT * FROM admin.usage_verify('acme', '2026-06-01', '2026-06-01')$$,
    'admin.usage_verify: below the drop horizon only the ledger is compared');
SELECT throws_ok($$SELECT admin.usage_verify('nobody', '2026-06-01', '2026-06-01')$$, 'GP002', NULL,
    'admin.usage_verify: no such tenant');

SELECT * FROM finish();
ROLLBACK;
