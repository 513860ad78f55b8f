-- The clock, days and their ends.
\ir begin.psql
SELECT plan(23);

SELECT ok(abs(extract(epoch FROM ledger.clock() - clock_timestamp())) < 1,
    'ledger.clock: the time, where no test stops it');
SELECT test.at('2026-06-01 10:00:00+00');
SELECT is(ledger.clock(), '2026-06-01 10:00:00+00'::timestamptz, 'ledger.clock: the instant in test_clock');
SELECT is(gatepost.clock(), ledger.clock(), 'gatepost.clock: the same');

SELECT is(gatepost.first_moment(d.day, d.zone), d.begins, 'gatepost.first_moment: ' || d.zone || ' ' || d.day)
FROM (VALUES
    (date '2026-06-01', 'UTC', timestamptz '2026-06-01 00:00:00+00'),
    ('2026-03-29', 'Europe/Brussels', '2026-03-28 23:00:00+00'),
    ('2026-10-25', 'Europe/Brussels', '2026-10-24 22:00:00+00'),
    ('2026-09-06', 'America/Santiago', '2026-09-06 04:00:00+00'),  -- 00:00 does not exist: the day begins at 01:00
    ('2026-11-01', 'America/Havana', '2026-11-01 04:00:00+00'),    -- 00:00 comes twice: the first
    ('2011-12-30', 'Pacific/Apia', '2011-12-30 10:00:00+00'),      -- a day that was left out: the next one
    ('2026-10-04', 'Australia/Lord_Howe', '2026-10-03 13:30:00+00')
) AS d (day, zone, begins);
SELECT ok(gatepost.first_moment(NULL, 'UTC') IS NULL, 'gatepost.first_moment: of no day is none');

SELECT is(gatepost.instant_text('2026-03-29 22:00:00+00', 'Europe/Brussels'), '2026-03-30T00:00:00+02:00',
    'gatepost.instant_text: the offset is the one in force then');
SELECT is(gatepost.instant_text('2026-06-01 12:00:00.000001+00', 'UTC'), '2026-06-01T12:00:01+00:00',
    'gatepost.instant_text: a part of a second is rounded up, so that who waits until then has waited long enough');
SELECT is(gatepost.instant_text('2026-06-01 12:00:00+00', 'America/St_Johns'), '2026-06-01T09:30:00-02:30',
    'gatepost.instant_text: half hours west of Greenwich');
SELECT is(gatepost.instant_text('2026-06-01 12:00:00+00', 'Asia/Kathmandu'), '2026-06-01T17:45:00+05:45',
    'gatepost.instant_text: quarter hours');

SELECT is(e.resets_text, '2026-06-02T00:00:00+00:00', 'gatepost.reset: a day ends at the next midnight')
FROM gatepost.reset(pg_temp.acme(), '2026-06-01 10:00:00+00', 'day') e;
SELECT is(e.resets_at, '2026-07-01 00:00:00+00'::timestamptz, 'gatepost.reset: a month at the first of the next')
FROM gatepost.reset(pg_temp.acme(), '2026-06-30 23:59:59.999999+00', 'month') e;
INSERT INTO gatepost.usage (tenant_id, credential_id, period, starts, messages, recipients, bytes) VALUES
    (pg_temp.acme(), 0, 'day', '2026-07-11', 1, 1, 1), (pg_temp.acme(), 0, 'month', '2027-05-01', 1, 1, 1);
SELECT is(e.resets_text, '2026-06-02T00:00:00+00:00', 'gatepost.reset: days of a clock that was wrong are none')
FROM gatepost.reset(pg_temp.acme(), '2026-06-01 10:00:00+00', 'day') e;
SELECT is(e.resets_text, '2026-07-01T00:00:00+00:00', 'gatepost.reset: nor months')
FROM gatepost.reset(pg_temp.acme(), '2026-06-01 10:00:00+00', 'month') e;
DELETE FROM gatepost.usage u WHERE u.starts > '2026-07-01';

SELECT is(r.used, 0::bigint, 'gatepost.rolling: nothing sent, nothing used')
FROM gatepost.rolling(pg_temp.acme(), ledger.clock(), 10, 1) r;
INSERT INTO gatepost.usage_hour (tenant_id, starts, recipients) VALUES
    (pg_temp.acme(), '2026-05-31 09:00:00+00', 100), (pg_temp.acme(), '2026-05-31 10:00:00+00', 3),
    (pg_temp.acme(), '2026-06-01 10:00:00+00', 4), (pg_temp.acme(), '2026-06-01 12:00:00+00', 2);
SELECT is(r.used, 9::bigint, 'gatepost.rolling: 25 hour buckets, and those stamped later')
FROM gatepost.rolling(pg_temp.acme(), '2026-06-01 10:30:00+00', NULL, NULL) r;
SELECT is(r.resets_at, '2026-06-01 11:00:00+00'::timestamptz, 'gatepost.rolling: room when the oldest bucket is over')
FROM gatepost.rolling(pg_temp.acme(), '2026-06-01 10:30:00+00', 10, 4) r;
SELECT ok(r.resets_at IS NULL, 'gatepost.rolling: never, where more is wanted than the cap')
FROM gatepost.rolling(pg_temp.acme(), '2026-06-01 10:30:00+00', 10, 11) r;

SELECT * FROM finish();
ROLLBACK;
