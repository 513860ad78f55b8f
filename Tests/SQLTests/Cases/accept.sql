-- accept, its fence, and refunds.
\ir begin.psql
SELECT plan(19);
SELECT test.at('2026-06-01 10:00:00+00');
SELECT admin.tenant_set('me', 'acme', '{"daily": 5}');

SELECT is((v.s).verdict || ' ' || (v.s).remaining, 'accepted 2', 'ledger.accept: what is left of the smallest cap')
FROM (SELECT pg_temp.send(3) AS s) AS v;
SELECT is(ROW((v.s).verdict, (v.s).limit_name, (v.s).cap, (v.s).used, (v.s).resets_text, (v.s).policy)::text,
    '(cap_daily,daily,5,3,2026-06-02T00:00:00+00:00,defer)', 'ledger.accept: a refusal names cap, use and reset')
FROM (SELECT pg_temp.send(3) AS s) AS v;
SELECT is(test.balance('acme')::text, '(3,3,3,3,3,3)', 'ledger.accept: refused is free');
SELECT throws_ok('SELECT pg_temp.send(0)', '22023', NULL, 'ledger.accept: a message for nobody is malformed');
SELECT is((v.s).queue_id, (v.f).id, 'ledger.accept: the same again is the first, and not charged')
FROM (SELECT f.f, pg_temp.send(1, 'acme.a', NULL, 'same') AS s
      FROM (SELECT pg_temp.send(1, 'acme.a', NULL, 'same') AS f OFFSET 0) AS f) AS v;
SELECT is(test.balance('acme')::text, '(4,4,4,4,4,4)', 'ledger.accept: the same again is not charged');

-- The fence: a batch that is there says what it said; one that is not can never come.
CREATE TEMP TABLE batches AS SELECT gatepost.uuid_new(ledger.clock()) AS sent,
    gatepost.uuid_new(ledger.clock()) AS fenced;
SELECT is(a.verdict, 'accepted', 'ledger.accept: a batch')
FROM batches b, test.accept('[{"tenant": "acme", "recipients": 1, "size": 9}]', b.sent, NULL) a;
SELECT is(r.verdict, 'accepted', 'ledger.resolve: committed, with its verdicts') FROM batches b,
    ledger.resolve(b.sent) r;
SELECT is_empty(format('SELECT * FROM ledger.resolve(%L)', b.fenced), 'ledger.resolve: fenced') FROM batches b;
SELECT is_empty(format('SELECT * FROM ledger.resolve(%L)', b.fenced), 'ledger.resolve: fenced, as often as one asks')
FROM batches b;
SELECT throws_ok(format('SELECT test.accept(''[{"tenant": "acme", "recipients": 1, "size": 9}]'', %L, NULL)', b.fenced),
    '23505', NULL, 'ledger.accept: a fenced batch gives up') FROM batches b;

-- A refund, to whoever paid.
SELECT is(c.verdict, 'cancelled', 'ledger.cancel: nobody has it under way')
FROM gatepost.message m, ledger.cancel('me', ARRAY[m.id], 'why', ARRAY[1]) c WHERE m.recipients = 3 AND c.number = 1;
SELECT is(test.balance('acme')::text, '(4,4,4,4,4,4)', 'gatepost.refund: day, month, credential, hour and ledger');
SELECT is(l.entry || ' ' || l.recipients || ' ' || l.reason, '1 -1 cancel', 'gatepost.refund: a further entry')
FROM gatepost.ledger l WHERE l.recipients < 0;
SELECT is(c.verdict, 'final', 'ledger.cancel: again, and it changes nothing')
FROM gatepost.message m, ledger.cancel('me', ARRAY[m.id], 'why', ARRAY[1]) c WHERE m.recipients = 3;
SELECT is(test.balance('acme')::text, '(4,4,4,4,4,4)', 'ledger.cancel: a repeat refunds nothing');
SELECT is(c.verdict, 'unknown', 'ledger.cancel: an id nobody has')
FROM ledger.cancel('me', ARRAY[gatepost.uuid_new(ledger.clock())], NULL) c;
SELECT is((SELECT count(*) FROM gatepost.cancel_recipients(ARRAY[m.tenant_id], ARRAY[m.id], NULL, 'why',
    ledger.clock())),
    2::bigint, 'gatepost.cancel_recipients: those that were not cancelled yet')
FROM gatepost.message m WHERE m.recipients = 3;
SELECT is(test.balance('acme')::text, '(2,2,2,2,2,2)', 'gatepost.cancel_recipients: refunded too');

SELECT * FROM finish();
ROLLBACK;
