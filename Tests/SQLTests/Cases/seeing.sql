-- What is looked up: use, health, when a login was last used.
\ir begin.psql
SELECT plan(6);

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

SELECT * FROM finish();
ROLLBACK;
