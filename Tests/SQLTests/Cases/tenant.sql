-- Tenants: made, changed, suspended, deleted.
\ir begin.psql
SELECT plan(67);

SELECT ok(t.created, 'admin.tenant_create: made') FROM admin.tenant_create('me', 'bolt', '{"daily": 7}') t;
SELECT ok(NOT t.created, 'admin.tenant_create: there already') FROM admin.tenant_create('me', 'bolt', '{"daily": 8}') t;
SELECT is((SELECT t.daily_cap FROM gatepost.tenant t WHERE t.slug = 'bolt'), 7::bigint,
    'admin.tenant_create: a repeat leaves the limits alone');
SELECT is((SELECT count(*) FROM gatepost.meter m JOIN gatepost.tenant t ON t.id = m.tenant_id WHERE t.slug = 'bolt'),
    1::bigint, 'admin.tenant_create: with its meter');
SELECT throws_ok(format('SELECT admin.tenant_create(''me'', %L)', s.slug), 'GP004', NULL,
    'admin.tenant_create: not ' || coalesce(quote_literal(s.slug), 'null'))
FROM (VALUES (''), (NULL), ('Acme'), ('a b'), ('-a'), ('a.b'), (repeat('a', 41))) AS s (slug);
SELECT throws_ok('SELECT admin.tenant_create(''me'', ''cove'', ''{"pool": "none"}'')', 'GP002', NULL,
    'admin.tenant_create: no such pool');

SELECT ok(admin.tenant_set('me', 'acme', '{"daily": 5}'), 'admin.tenant_set: changed');
SELECT ok(NOT admin.tenant_set('me', 'acme', '{"daily": 5}'), 'admin.tenant_set: so already');
SELECT pg_temp.writes_meter('SELECT admin.tenant_set(''me'', ''acme'', ''{"monthly": 9}'')',
    'admin.tenant_set: the meter is written, on a repeat too');
SELECT throws_ok('SELECT admin.tenant_set(''me'', ''nobody'', ''{}'')', 'GP002', NULL,
    'admin.tenant_set: no such tenant');
SELECT throws_ok(format('SELECT admin.tenant_set(''me'', ''acme'', %L)', c.changes), 'GP004', NULL,
    'admin.tenant_set: not ' || c.changes)
FROM (VALUES ('{"daly": 1}'), ('{"daily": 0}'), ('{"daily": -1}'), ('{"daily": "5"}'), ('{"message_size": null}'),
             ('{"zone": "Mars/Olympus"}'), ('{"policy": "drop"}'), ('{"partial": 1}'),
    ('{"warn": [0]}')) AS c (changes);
SELECT is((SELECT t.daily_cap FROM gatepost.tenant t WHERE t.slug = 'acme'), 5::bigint,
    'admin.tenant_set: what is refused changes nothing');

SELECT is((gatepost.tenant_changed(t, '{"daily": null, "sessions": 3}')).sessions, 3,
    'gatepost.tenant_changed: applies what is named') FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT ok((gatepost.tenant_changed(t, '{"daily": null}')).daily_cap IS NULL AND t.daily_cap = 5,
    'gatepost.tenant_changed: writes nothing') FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT is(gatepost.limit_value('daily', '5', 10, true), 5::bigint, 'gatepost.limit_value: a number');
SELECT ok(gatepost.limit_value('daily', 'null', 10, true) IS NULL, 'gatepost.limit_value: null is unlimited');
SELECT throws_ok(format('SELECT gatepost.limit_value(''daily'', %L, 10, false)', v.value), 'GP004', NULL,
    'gatepost.limit_value: not ' || v.value)
FROM (VALUES ('null'), ('0'), ('-1'), ('11'), ('1.5'), ('"5"'), ('[]')) AS v (value);

SELECT is(gatepost.tenant_id('acme'), pg_temp.acme(), 'gatepost.tenant_id: behind a slug');
SELECT throws_ok('SELECT gatepost.tenant_id(''nobody'')', 'GP002', NULL, 'gatepost.tenant_id: of nobody');
SELECT throws_ok('SELECT gatepost.tenant_id(NULL)', 'GP002', NULL, 'gatepost.tenant_id: of null');
SELECT pg_temp.writes_meter('SELECT gatepost.lock_meters(ARRAY[pg_temp.acme()])', 'gatepost.lock_meters: writes them');

SELECT gatepost.audited('me', pg_temp.acme(), 'try this', 'it', '{"a": 1}', NULL);
SELECT is((SELECT a.detail FROM gatepost.audit a WHERE a.action = 'try this' AND a.os_user = 'me'), '{"a": 1}'::jsonb,
    'gatepost.audited: a line in the audit');
SELECT throws_ok('SELECT gatepost.audited('''', NULL, ''a'', ''b'', NULL, NULL)', 'GP004', NULL,
    'gatepost.audited: somebody did it');

SELECT pg_temp.writes_meter('SELECT admin.tenant_suspend(''me'', ''acme'', ''unpaid'', false)',
    'admin.tenant_suspend: the meter is written, on a repeat too');
SELECT is((v.s).verdict || ': ' || (v.s).detail, 'tenant_suspended: unpaid',
    'admin.tenant_suspend: nothing more is accepted')
FROM (SELECT pg_temp.send() AS s) AS v;
SELECT throws_ok('SELECT admin.tenant_suspend(''me'', ''nobody'', NULL, false)', 'GP002', NULL,
    'admin.tenant_suspend: no such tenant');
SELECT ok(admin.tenant_suspend('me', 'acme', 'fraud', true), 'admin.tenant_suspend: its queue is held as well');
SELECT ok(NOT admin.tenant_suspend('me', 'acme', NULL, NULL), 'admin.tenant_suspend: what is not named stays');
SELECT is(t.reason || ' ' || t.hold_queue, 'fraud true', 'admin.tenant_suspend: the reason and the hold')
FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT ok(admin.tenant_suspend('me', 'acme', NULL, false), 'admin.tenant_suspend: its queue goes on again');
SELECT ok(admin.tenant_resume('me', 'acme'), 'admin.tenant_resume: changed');
SELECT is((pg_temp.send()).verdict, 'accepted', 'admin.tenant_resume: accepted again');
SELECT ok(NOT admin.tenant_resume('me', 'acme'), 'admin.tenant_resume: so already');
SELECT pg_temp.writes_meter('SELECT admin.tenant_resume(''me'', ''acme'')', 'admin.tenant_resume: writes the meter');

SELECT is(ROW(c.credentials, c.domains, c.messages, c.recipients, c.keys, c.correspondents)::text, '(2,1,1,1,0,0)',
    'admin.tenant_contents: what goes with it') FROM admin.tenant_contents('acme') c;
SELECT throws_ok('SELECT admin.tenant_contents(''nobody'')', 'GP002', NULL, 'admin.tenant_contents: no such tenant');
SELECT throws_ok('SELECT admin.tenant_purge(''me'', ''acme'', 10)', 'GP005', NULL,
    'admin.tenant_purge: it is not deleted');
SELECT FROM admin.tenant_suspend('me', 'acme', NULL, true);
SELECT ok(d.changed, 'admin.tenant_delete: deleted') FROM admin.tenant_delete('me', 'acme') d;
SELECT ok(t.hold_queue, 'admin.tenant_delete: nothing of it is sent while it is purged')
FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT ok(NOT d.changed, 'admin.tenant_delete: so already') FROM admin.tenant_delete('me', 'acme') d;
SELECT is((SELECT count(*) FROM gatepost.credential c WHERE c.tenant_id = t.id AND c.revoked_at IS NULL), 0::bigint,
    'admin.tenant_delete: its credentials end') FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT is((SELECT count(*) FROM gatepost.ledger), 1::bigint, 'admin.tenant_delete: the ledger stays');
SELECT is(p.cancelled, 1::bigint, 'admin.tenant_purge: what waits is cancelled')
FROM admin.tenant_purge('me', 'acme', 10) p;
SELECT is(p.messages, 0::bigint, 'admin.tenant_purge: until nothing is left') FROM admin.tenant_purge('me', 'acme',
    10) p;
SELECT ok(NOT t.hold_queue, 'admin.tenant_purge: a report on what was under way is not held for ever')
FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT is((SELECT sum(l.recipients) FROM gatepost.ledger l), 0::numeric,
    'gatepost.refund: to the ledger, and append-only');
SELECT throws_ok('SELECT admin.tenant_purge(''me'', ''nobody'', 10)', 'GP002', NULL,
    'admin.tenant_purge: no such tenant');

SELECT * FROM finish();
ROLLBACK;
