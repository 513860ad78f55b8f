-- Plans, and where a tenant's values are from.
\ir begin.psql
SELECT plan(36);

SELECT ok(p.created, 'admin.plan_create: made') FROM admin.plan_create('me', 'small', '{"daily": 500, "rate": 60}') p;
SELECT ok(NOT p.created, 'admin.plan_create: there already') FROM admin.plan_create('me', 'small', '{"daily": 1}') p;
SELECT throws_ok(format('SELECT admin.plan_create(''me'', %L, ''{}'')', n.name), 'GP004', NULL,
    'admin.plan_create: not ' || coalesce(quote_literal(n.name), 'null'))
FROM (VALUES (''), (NULL), ('Small'), ('none'), ('inherit')) AS n (name);
SELECT is(gatepost.plan_id('small'), (SELECT p.id FROM gatepost.plan p WHERE p.name = 'small'), 'gatepost.plan_id: it');
SELECT throws_ok('SELECT gatepost.plan_id(''nowhere'')', 'GP002', NULL, 'gatepost.plan_id: of none');

SELECT is(gatepost.limit_defaults() ->> 'daily', '1000', 'gatepost.limit_defaults: as the table of tenants has it');
SELECT is(gatepost.plan_limits('{"daily": 5, "rate": 9, "burst": 2}', '{"daily": "inherit", "rate": 8}'), '{"rate": 8}',
    'gatepost.plan_limits: gives back, and a rate takes its burst along');
SELECT throws_ok(format('SELECT gatepost.plan_limits(''{}'', %L)', c.changes), 'GP004', NULL,
    'gatepost.plan_limits: not ' || c.changes)
FROM (VALUES ('{"zone": "UTC"}'), ('{"plan": null}'), ('{"pool": "default"}'), ('{"contact": "a@b"}'),
             ('{"daily": 0}'), ('{"daly": 5}'), ('{"daly": "inherit"}'), ('[]')) AS c (changes);

DO $$ BEGIN PERFORM admin.tenant_set('me', 'acme', '{"plan": "small", "sessions": 3}'); END $$;
SELECT is(ROW(t.daily_cap, t.rate, t.burst, t.sessions, t.own)::text, '(500,60,60,3,{sessions})',
    'gatepost.tenant_store: what is in force, and what is its own') FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT ok(admin.plan_set('me', 'small', '{"daily": 600}'), 'admin.plan_set: changed');
SELECT ok(NOT admin.plan_set('me', 'small', '{"daily": 600}'), 'admin.plan_set: so already');
SELECT throws_ok('SELECT admin.plan_set(''me'', ''nowhere'', ''{}'')', 'GP002', NULL, 'admin.plan_set: no such plan');
SELECT throws_ok('SELECT admin.plan_set(''me'', ''small'', ''{"daily": 0}'')', 'GP004', NULL,
    'admin.plan_set: what cannot be');
SELECT is((SELECT t.daily_cap FROM gatepost.tenant t WHERE t.slug = 'acme'), 500::bigint,
    'admin.plan_set: its tenants follow by plan_apply');
SELECT is(ROW(a.last, a.changed)::text, format('(%s,1)', pg_temp.acme()), 'admin.plan_apply: one had other limits')
FROM admin.plan_apply('me', 'small', 0, 10) a;
SELECT is((SELECT t.daily_cap FROM gatepost.tenant t WHERE t.slug = 'acme'), 600::bigint,
    'admin.plan_apply: it has them now');
SELECT is(a.changed, 0::bigint, 'admin.plan_apply: so already') FROM admin.plan_apply('me', 'small', 0, 10) a;
SELECT ok(a.last IS NULL, 'admin.plan_apply: nobody is left') FROM admin.plan_apply('me', 'small', pg_temp.acme(), 10) a;
SELECT pg_temp.writes_meter('SELECT admin.plan_apply(''me'', ''small'', 0, 10)', 'admin.plan_apply: writes the meter');
SELECT throws_ok('SELECT admin.plan_apply(''me'', ''nowhere'', 0, 1)', 'GP002', NULL, 'admin.plan_apply: no such plan');

SELECT throws_ok('SELECT admin.plan_delete(''me'', ''small'')', 'GP005', NULL, 'admin.plan_delete: acme has it');
DO $$ BEGIN PERFORM admin.tenant_set('me', 'acme', '{"plan": null}'); END $$;
SELECT ok(admin.plan_delete('me', 'small'), 'admin.plan_delete: gone');
SELECT ok(NOT admin.plan_delete('me', 'small'), 'admin.plan_delete: gone already');

SELECT ok(report.tenant_id() IS NULL, 'report.tenant_id: of nobody');
INSERT INTO gatepost.report_login (role, tenant_id) VALUES (session_user, pg_temp.acme());
SELECT is(report.tenant_id(), pg_temp.acme(), 'report.tenant_id: of who logged in');

SELECT * FROM finish();
ROLLBACK;
