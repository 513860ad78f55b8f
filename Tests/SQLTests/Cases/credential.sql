-- Credentials, their logins, and the domains they send from.
\ir begin.psql
SELECT plan(51);
CREATE TEMP TABLE words AS SELECT 'SCRAM-SHA-256$4096:c2FsdA==$a:b' AS one, 'SCRAM-SHA-256$4096:c2FsdA==$c:d' AS two;
GRANT SELECT ON words TO public;

SELECT ok(i.created, 'admin.credential_issue: made')
FROM words w, admin.credential_issue('me', 'acme', 'acme.c', w.one, sha256('x')) i;
SELECT ok(NOT i.created, 'admin.credential_issue: the same again')
FROM words w, admin.credential_issue('me', 'acme', 'acme.c', w.one, sha256('x')) i;
SELECT throws_ok(format('SELECT admin.credential_issue(''me'', ''acme'', ''acme.c'', %L, NULL)', w.two), 'GP003', NULL,
    'admin.credential_issue: the name is taken') FROM words w;
SELECT throws_ok(format('SELECT admin.credential_issue(''me'', ''nobody'', ''nobody.c'', %L, NULL)', w.one), 'GP002',
    NULL,
    'admin.credential_issue: no such tenant') FROM words w;
SELECT throws_ok(format('SELECT admin.credential_issue(''me'', ''acme'', %L, %L, NULL)', n.name, w.one), 'GP004', NULL,
    'admin.credential_issue: not called ' || n.name)
FROM words w, (VALUES ('acme'), ('bolt.x'), ('acme.X'), ('Acme.x'), ('acme.' || repeat('x', 60))) AS n (name);
SELECT pg_temp.writes_meter(format('SELECT admin.credential_issue(''me'', ''acme'', ''acme.d'', %L, NULL)', w.one),
    'admin.credential_issue: the meter is written, on a repeat too') FROM words w;

SELECT is(r.login || ' ' || r.created, 'acme.a.2 true',
    'admin.credential_rotate: a second secret has a name of its own')
FROM words w, admin.credential_rotate('me', 'acme.a', w.two, NULL, '1 hour') r;
SELECT ok(NOT r.created, 'admin.credential_rotate: the same again')
FROM words w, admin.credential_rotate('me', 'acme.a', w.two, NULL, '1 hour') r;
SELECT ok(l.valid_until > ledger.clock() + interval '59 minutes',
    'admin.credential_rotate: the first goes on for a while')
FROM gatepost.login l WHERE l.name = 'acme.a';
SELECT throws_ok(format('SELECT admin.credential_rotate(''me'', ''acme.nobody'', %L, NULL, ''0'')', w.two), 'GP002',
    NULL,
    'admin.credential_rotate: no such credential') FROM words w;
SELECT throws_ok(format('SELECT admin.credential_rotate(''me'', ''acme.a'', %L, NULL, ''-1 hour'')', w.one), 'GP004',
    NULL,
    'admin.credential_rotate: no grace in the past') FROM words w;

SELECT is((pg_temp.send(1, 'acme.b')).verdict, 'accepted', 'ledger.accept: with a good credential');
SELECT pg_temp.writes_meter('SELECT admin.credential_revoke(''me'', ''acme.b'', ''left'')',
    'admin.credential_revoke: the meter is written, on a repeat too');
SELECT is((pg_temp.send(1, 'acme.b')).verdict, 'credential_revoked', 'admin.credential_revoke: nothing more with it');
SELECT ok(NOT admin.credential_revoke('me', 'acme.b', 'again'), 'admin.credential_revoke: so already');
SELECT is(c.revoked_reason, 'left', 'admin.credential_revoke: the first reason stays')
FROM gatepost.credential c WHERE c.name = 'acme.b';
SELECT throws_ok('SELECT admin.credential_revoke(''me'', ''acme.nobody'', NULL)', 'GP002', NULL,
    'admin.credential_revoke: no such credential');
SELECT throws_ok(format('SELECT admin.credential_rotate(''me'', ''acme.b'', %L, NULL, ''0'')', w.two), 'GP005', NULL,
    'admin.credential_rotate: not a revoked one') FROM words w;

SELECT ok(d.changed AND d.token ~ '^[0-9a-f]{64}$', 'admin.domain_add: with a token')
FROM admin.domain_add('me', 'acme', 'other.example', false) d;
SELECT ok(NOT d.changed, 'admin.domain_add: there already') FROM admin.domain_add('me', 'acme', 'other.example',
    false) d;
SELECT throws_ok(format('SELECT admin.domain_add(''me'', ''acme'', %L, true)', d.domain), 'GP004', NULL,
    'admin.domain_add: not ' || coalesce(quote_literal(d.domain), 'null'))
FROM (VALUES (''), (NULL), ('com'), ('A.example'), ('a b.example'), ('a..example'), ('-a.example'),
    (repeat('a.', 126) || 'example')) AS d (domain);
SELECT throws_ok('SELECT admin.domain_add(''me'', ''nobody'', ''a.example'', true)', 'GP002', NULL,
    'admin.domain_add: no such tenant');
SELECT throws_ok('SELECT admin.domain_verified(''me'', ''acme'', ''other.example'', ''wrong'')', 'GP004', NULL,
    'admin.domain_verified: another token');
SELECT throws_ok('SELECT admin.domain_verified(''me'', ''acme'', ''none.example'', ''x'')', 'GP002', NULL,
    'admin.domain_verified: no such domain');
SELECT ok(admin.domain_verified('me', 'acme', 'other.example', d.token), 'admin.domain_verified: shown')
FROM gatepost.sender_domain d WHERE d.domain = 'other.example';
SELECT ok(NOT admin.domain_verified('me', 'acme', 'other.example', d.token), 'admin.domain_verified: so already')
FROM gatepost.sender_domain d WHERE d.domain = 'other.example';
SELECT pg_temp.writes_meter('SELECT admin.domain_remove(''me'', ''acme'', ''acme.example'')',
    'admin.domain_remove: the meter is written, on a repeat too');
SELECT is((pg_temp.send()).verdict, 'sender_domain', 'admin.domain_remove: nothing more from it');
SELECT ok(NOT admin.domain_remove('me', 'acme', 'acme.example'), 'admin.domain_remove: gone already');
SELECT throws_ok('SELECT admin.domain_remove(''me'', ''nobody'', ''a.example'')', 'GP002', NULL,
    'admin.domain_remove: no such tenant');

SELECT is(l.tenant || ' ' || l.credential, 'acme acme.a', 'ledger.login: by the name of any of its secrets')
FROM ledger.login('acme.a.2') l;
SELECT is_empty('SELECT * FROM ledger.login(''nobody'')', 'ledger.login: unknown');
SELECT is_empty('SELECT * FROM ledger.login(''ACME.A'')', 'ledger.login: the name is canonical, or unknown');
SELECT ok(l.credential_revoked_at IS NOT NULL, 'ledger.login: a status as stored') FROM ledger.login('acme.b') l;
SELECT is(l.limit_name || ' ' || l.remaining, 'daily 999', 'ledger.login: the cap with the least left')
FROM ledger.login('acme.a') l;
SELECT ok(l.resets_at IS NOT NULL AND l.resets_text IS NOT NULL, 'ledger.login: when it resets, while little is left')
FROM ledger.login('acme.a') l;
SELECT admin.tenant_set('me', 'acme', '{"daily": 20000}');
SELECT ok(l.remaining = 19999 AND l.resets_at IS NULL, 'ledger.login: not so while much is left')
FROM ledger.login('acme.a') l;
SELECT is(length(ledger.secret('verifier')), 32, 'ledger.secret: verifier');
SELECT is(length(ledger.secret('ticket')), 96, 'ledger.secret: ticket');
SELECT ok(ledger.secret('none') IS NULL, 'ledger.secret: none by that name');

SELECT * FROM finish();
ROLLBACK;
