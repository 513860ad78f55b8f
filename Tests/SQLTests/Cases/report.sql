-- Export, reporting logins, and what a deleted tenant leaves.
\ir begin.psql
SELECT plan(25);

SELECT is((pg_temp.send(2, digest => 'x')).verdict, 'accepted', 'admin.tenant_export: a message to have');
SELECT is((SELECT count(*) FROM admin.tenant_export('acme', p.part, '{}', 10)), p.rows,
    'admin.tenant_export: ' || p.part)
FROM (VALUES ('credentials', 2::bigint), ('limits', 1), ('usage', 3), ('ledger', 1), ('messages', 1), ('recipients', 2),
    ('usage_domains', 1), ('outcomes', 0), ('warnings', 0), ('suppressions', 0), ('report_logins', 0)) AS p (part, rows);
SELECT is((SELECT count(*) FROM admin.tenant_export('acme', 'recipients', (
    SELECT e.key FROM admin.tenant_export('acme', 'recipients', '{}', 1) e), 10)), 1::bigint,
    'admin.tenant_export: goes on behind a key');
SELECT ok(NOT EXISTS (SELECT FROM admin.tenant_export('acme', 'credentials', '{}', 10) e
                      WHERE e.line::text ~ 'SCRAM|digest'), 'admin.tenant_export: no verifier');
SELECT throws_ok('SELECT * FROM admin.tenant_export(''acme'', ''bodies'', ''{}'', 1)', 'GP004', NULL,
    'admin.tenant_export: no such part');
SELECT throws_ok('SELECT * FROM admin.tenant_export(''nobody'', ''usage'', ''{}'', 1)', 'GP002', NULL,
    'admin.tenant_export: no such tenant');

SELECT pg_temp.writes_meter('SELECT admin.tenant_report_login(''me'', ''acme'', ''acme_reports'', false)',
    'admin.tenant_report_login: the meter is written, on a repeat too');
SELECT ok(NOT admin.tenant_report_login('me', 'acme', 'acme_reports', false), 'admin.tenant_report_login: so already');
SELECT throws_ok(format('SELECT admin.tenant_report_login(''me'', ''acme'', %L, false)', r.role), 'GP004', NULL,
    'admin.tenant_report_login: not ' || coalesce(r.role, 'null'))
FROM (VALUES ('postgres'), ('gatepost_admin'), (NULL)) AS r (role);
SELECT ok(admin.tenant_report_login('me', 'acme', 'acme_reports', true), 'admin.tenant_report_login: taken away');

SELECT is((SELECT d.changed FROM admin.tenant_delete('me', 'acme') d), true, 'gatepost.tenant_remains: once it is deleted');
SELECT is((SELECT p.cancelled FROM admin.tenant_purge('me', 'acme', 10) p), 2::bigint,
    'gatepost.tenant_remains: and its queue is empty');
SELECT is((SELECT p.removed FROM admin.tenant_purge('me', 'acme', 10) p)
    + (SELECT count(*) FROM gatepost.login) + (SELECT count(*) FROM gatepost.sender_domain), 1::bigint,
    'gatepost.tenant_remains: its body goes (its key went with the cancel), its secrets and domains went before');

SELECT * FROM finish();
ROLLBACK;
