-- Ids, partitions, and what is append-only.
\ir begin.psql
SELECT plan(12);

SELECT is(gatepost.uuid_floor('2026-06-01 00:00:00.123+00'), '019e807a-ec7b-0000-0000-000000000000'::uuid,
    'gatepost.uuid_floor: milliseconds, then zeros');
SELECT is(gatepost.uuid_instant(gatepost.uuid_floor('2026-06-01 00:00:00.123+00')),
    '2026-06-01 00:00:00.123+00'::timestamptz, 'gatepost.uuid_instant: undoes uuid_floor');
SELECT ok(u.id >= gatepost.uuid_floor('2026-06-01 10:00:00+00')
    AND u.id < gatepost.uuid_floor('2026-06-01 10:00:00.001+00')
    AND substr(u.id::text, 15, 1) = '7' AND substr(u.id::text, 20, 1) IN ('8', '9', 'a', 'b'),
    'gatepost.uuid_new: version 7, of its millisecond')
FROM (SELECT gatepost.uuid_new('2026-06-01 10:00:00+00') AS id) AS u;
SELECT isnt(gatepost.uuid_new('2026-06-01 10:00:00+00'), gatepost.uuid_new('2026-06-01 10:00:00+00'),
    'gatepost.uuid_new: never the same twice');

SELECT ok(gatepost.make_partition('message', '2031-01-01 12:00:00+00'), 'gatepost.make_partition: made');
SELECT ok(NOT gatepost.make_partition('message', '2031-01-01 13:00:00+00'), 'gatepost.make_partition: there already');
SELECT has_table('gatepost'::name, 'message_20310101t00'::name, 'gatepost.make_partition: named for when it begins');

SELECT ok((pg_temp.send()).verdict = 'accepted', 'ledger.accept: one to try on');
SELECT throws_ok('UPDATE gatepost.ledger SET recipients = 2', '42501', 'gatepost.ledger is append-only',
    'gatepost.append_only: no update');
SELECT throws_ok('DELETE FROM gatepost.ledger', '42501', NULL, 'gatepost.append_only: no delete');
SELECT throws_ok('TRUNCATE gatepost.ledger', '42501', NULL, 'gatepost.append_only: no truncate');
SELECT lives_ok('INSERT INTO gatepost.ledger
    SELECT tenant_id, message_id, 1, credential_id, day, month, -1, 0, ''x'', at FROM gatepost.ledger', 'gatepost.append_only: a further row');

SELECT * FROM finish();
ROLLBACK;
