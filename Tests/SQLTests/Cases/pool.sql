-- Relay pools and their members.
\ir begin.psql
SELECT plan(29);

SELECT ok(p.created, 'admin.pool_create: made') FROM admin.pool_create('me', 'west') p;
SELECT ok(NOT p.created, 'admin.pool_create: there already') FROM admin.pool_create('me', 'west') p;
SELECT throws_ok('SELECT admin.pool_create(''me'', ''West'')', 'GP004', NULL,
    'admin.pool_create: a name that cannot be');
SELECT is(gatepost.pool_lock('west'), (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = 'west'),
    'gatepost.pool_lock: its id');
SELECT throws_ok('SELECT gatepost.pool_lock(''none'')', 'GP002', NULL, 'gatepost.pool_lock: no such pool');

SELECT ok(r.changed, 'admin.relay_add: added') FROM admin.relay_add('me', 'west', 'mx.example', 24) r;
SELECT ok(NOT r.changed, 'admin.relay_add: so already') FROM admin.relay_add('me', 'west', 'mx.example', 24) r;
SELECT is(r.protocol || ' ' || r.tls || ' ' || r.weight, 'lmtp mutual 1', 'admin.relay_add: its defaults')
FROM gatepost.relay r WHERE r.host = 'mx.example';
SELECT throws_ok('SELECT admin.relay_add(''me'', ''none'', ''mx.example'', 24)', 'GP002', NULL,
    'admin.relay_add: no such pool');
SELECT throws_ok('SELECT admin.relay_add(''me'', ''west'', ''mx.example'', 0)', 'GP004', NULL,
    'admin.relay_add: no such port');
SELECT ok(admin.relay_set('me', 'west', 'mx.example', 24, '{"weight": 3}'), 'admin.relay_set: changed');
SELECT throws_ok('SELECT admin.relay_set(''me'', ''west'', ''no.example'', 24, ''{}'')', 'GP002', NULL,
    'admin.relay_set: no such member');
SELECT ok(gatepost.relay_write((SELECT p.id FROM gatepost.relay_pool p WHERE p.name = 'west'), 'mx.example', 24,
    '{"weight": 4}', NULL), 'gatepost.relay_write: changed');
SELECT throws_ok(format('SELECT gatepost.relay_write(%s, ''mx.example'', 24, %L, NULL)', p.id, t.terms), 'GP004', NULL,
    'gatepost.relay_write: not ' || t.terms)
FROM gatepost.relay_pool p, (VALUES ('{"weight": 0}'), ('{"wait": 1}'), ('{"tls": "some"}'), ('{"protocol": "http"}'))
    AS t (terms) WHERE p.name = 'west';
SELECT ok(admin.relay_drain('me', 'west', 'mx.example', 24), 'admin.relay_drain: changed');
SELECT ok(NOT admin.relay_drain('me', 'west', 'mx.example', 24), 'admin.relay_drain: so already');
SELECT throws_ok('SELECT admin.relay_drain(''me'', ''west'', ''no.example'', 24)', 'GP002', NULL,
    'admin.relay_drain: no such member');
SELECT is(p.status || ' ' || p.weight, 'draining 4', 'ledger.pools: a row per member') FROM ledger.pools() p
WHERE p.pool = 'west';
SELECT throws_ok('SELECT admin.pool_delete(''me'', ''west'')', 'GP005', NULL, 'admin.pool_delete: members use it');
SELECT ok(admin.relay_remove('me', 'west', 'mx.example', 24), 'admin.relay_remove: gone');
SELECT ok(NOT admin.relay_remove('me', 'west', 'mx.example', 24), 'admin.relay_remove: gone already');
SELECT throws_ok('SELECT admin.relay_remove(''me'', ''none'', ''mx.example'', 24)', 'GP002', NULL,
    'admin.relay_remove: no such pool');
SELECT ok(p.member_id IS NULL, 'ledger.pools: a pool without members is there too') FROM ledger.pools() p
WHERE p.pool = 'west';
SELECT ok(admin.pool_delete('me', 'west'), 'admin.pool_delete: gone');
SELECT ok(NOT admin.pool_delete('me', 'west'), 'admin.pool_delete: gone already');
SELECT throws_ok('SELECT admin.pool_delete(''me'', ''default'')', 'GP005', NULL, 'admin.pool_delete: not the default');

SELECT * FROM finish();
ROLLBACK;
