-- What a credential may do, how that is changed and told, and its certificates. (CredentialTests has more of it.)
\ir begin.psql
SELECT plan(33);
CREATE TEMP TABLE words AS SELECT 'SCRAM-SHA-256$4096:c2FsdA==$a:b' AS one;
GRANT SELECT ON words TO public;

SELECT is((gatepost.credential_named('acme.a')).id, pg_temp.credential(), 'gatepost.credential_named: the row');
SELECT throws_ok('SELECT gatepost.credential_named(''acme.nobody'')', 'GP002', NULL,
    'gatepost.credential_named: no such credential');
SELECT is(gatepost.credential_terms(gatepost.credential_named('acme.a')) ->> 'mode', 'live',
    'gatepost.credential_terms: the mode');
SELECT ok(gatepost.credential_terms(gatepost.credential_named('acme.a')) -> 'daily' = 'null',
    'gatepost.credential_terms: null is none of its own');
SELECT is((gatepost.credential_changed(gatepost.credential_named('acme.a'), '{"rate": 60}')).burst, 60::bigint,
    'gatepost.credential_changed: the burst is the rate');
SELECT throws_ok(format('SELECT gatepost.credential_changed(gatepost.credential_named(''acme.a''), %L)', c.changes),
    'GP004', NULL, 'gatepost.credential_changed: not ' || c.changes)
FROM (VALUES ('{"daily": 0}'), ('{"daily": -1}'), ('{"senders": ["other.example"]}'), ('{"mode": "dry"}'), ('[]'))
    AS c (changes);
SELECT ok(m.created, 'gatepost.credential_make: made') FROM words w,
    gatepost.credential_make('me', pg_temp.acme(), 'acme', 'acme.m', w.one, NULL, '{"daily": 5}') m;
SELECT throws_ok('SELECT gatepost.credential_make(''me'', pg_temp.acme(), ''acme'', ''acme.n'', ''x'', NULL, ''{}'')',
    'GP004', NULL, 'gatepost.credential_make: no verifier');

SELECT pg_temp.writes_meter('SELECT admin.credential_set(''me'', ''acme.a'', ''{"daily": 2}'')',
    'admin.credential_set: the meter is written, on a repeat too');
SELECT is((pg_temp.send(3)).verdict, 'cap_credential_daily', 'admin.credential_set: in force for the next message');
SELECT is(s.was::text || s.becomes, '{"daily": 2}{"daily": null}', 'admin.credential_set: what was and what is')
FROM admin.credential_set('me', 'acme.a', '{"daily": null}') s;
SELECT FROM admin.credential_set('me', 'acme.a', '{"mode": "test"}');
INSERT INTO gatepost.recent (tenant_id, credential_id, digest, message_id, at)
VALUES (pg_temp.acme(), pg_temp.credential(), '\x00'::bytea, gatepost.uuid_new(ledger.clock()), ledger.clock());
SELECT FROM admin.credential_set('me', 'acme.a', '{"label": "x"}');
SELECT is((SELECT count(*) FROM gatepost.recent k WHERE k.tenant_id = pg_temp.acme() AND k.digest = '\x00'), 1::bigint,
    'admin.credential_set: what was sent before is known');
SELECT FROM admin.credential_set('me', 'acme.a', '{"mode": "live"}');
SELECT is((SELECT count(*) FROM gatepost.recent k WHERE k.tenant_id = pg_temp.acme() AND k.digest = '\x00'), 0::bigint,
    'admin.credential_set: what was only tested is new mail when it is sent again');
SELECT ok(NOT s.changed, 'admin.credential_set: so already') FROM admin.credential_set('me', 'acme.a', '{}') s;
SELECT is(l.own || ' ' || l.tenant_value || ' ' || l.tenant_from || ' ' || l.in_force, '5 1000 default 5',
    'admin.credential_limits: the less of both') FROM admin.credential_limits('acme.m') l WHERE l.limit_name = 'daily';

SELECT is(admin.credential_issue_many('me', '{acme,acme}', '{acme.p,acme.q}', ARRAY[w.one, w.one], '{NULL,NULL}',
    '{"{}","{}"}'), 2::bigint, 'admin.credential_issue_many: all') FROM words w;
SELECT is(admin.credential_issue_many('me', '{acme,acme}', '{acme.p,acme.q}', ARRAY[w.one, w.one], '{NULL,NULL}',
    '{"{}","{}"}'), 0::bigint, 'admin.credential_issue_many: the same again') FROM words w;
SELECT is(string_agg(p.number::text, ' '), '2 3', 'admin.credential_problems: those that cannot be')
FROM admin.credential_problems('{acme,acme,nobody}', '{"{}","{\"daily\": 0}","{}"}') p;

SELECT pg_temp.writes_meter('SELECT admin.credential_suspend(''me'', ''acme.a'', ''bought list'')',
    'admin.credential_suspend: the meter is written, on a repeat too');
SELECT ok(NOT admin.credential_suspend('me', 'acme.a', 'bought list'), 'admin.credential_suspend: so already');
SELECT is(c.obstacles, '{credential_suspended}', 'admin.credential_check: what stands in its way')
FROM admin.credential_check('acme.a', sha256('x'), '{}', '{}', NULL) c;
SELECT ok(c.matches, 'admin.credential_check: right') FROM admin.credential_check('acme.a', sha256('x'), '{}', '{}', NULL) c;
SELECT ok(NOT c.matches, 'admin.credential_check: wrong')
FROM admin.credential_check('acme.a', sha256('y'), '{}', '{}', NULL) c;
SELECT pg_temp.writes_meter('SELECT admin.credential_resume(''me'', ''acme.a'')',
    'admin.credential_resume: the meter is written, on a repeat too');
SELECT ok(NOT admin.credential_resume('me', 'acme.a'), 'admin.credential_resume: so already');

SELECT is(c.login || ' ' || c.created, 'acme.a.c1 true', 'admin.credential_certificate_add: a login of its own')
FROM admin.credential_certificate_add('me', 'acme.a', sha256('c'), '2999-01-01') c;
SELECT throws_ok('SELECT admin.credential_certificate_add(''me'', ''acme.b'', sha256(''c''), ''2999-01-01'')', 'GP003',
    NULL, 'admin.credential_certificate_add: somebody else''s');
SELECT pg_temp.writes_meter('SELECT admin.credential_certificate_remove(''me'', ''acme.a.c1'')',
    'admin.credential_certificate_remove: the meter is written, on a repeat too');
SELECT throws_ok('SELECT admin.credential_certificate_remove(''me'', ''acme.a'')', 'GP004', NULL,
    'admin.credential_certificate_remove: a secret is no certificate');

SELECT * FROM finish();
ROLLBACK;
