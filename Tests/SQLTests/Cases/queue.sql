-- The queue: leases, claims, outcomes.
\ir begin.psql
SELECT plan(68);
CREATE TEMP TABLE o AS SELECT gatepost.uuid_new(ledger.clock()) AS id, gatepost.uuid_new(ledger.clock()) AS other;
GRANT SELECT ON o TO public;

SELECT throws_ok(format('SELECT ledger.claim(%L, 1, 1)', o.id), 'GP001', NULL, 'ledger.claim: an owner nobody knows')
FROM o;
SELECT is(s.renewals, 0::bigint, 'ledger.owner_start: registered') FROM o, ledger.owner_start(o.id, 'here') s;
SELECT is(s.renewals, 1::bigint, 'ledger.owner_renew: counted') FROM o, ledger.owner_renew(o.id) s;
SELECT ok(s.locked, 'ledger.owner_renew: its lock is held') FROM o, ledger.owner_renew(o.id) s;
SELECT is_empty(format('SELECT * FROM ledger.owner_renew(%L)', o.other),
    'ledger.owner_renew: no row for one that is gone')
FROM o;
SELECT ok(gatepost.owner_locked(w.lock_object, NULL), 'gatepost.owner_locked: by any') FROM gatepost.owner w;
SELECT ok(gatepost.owner_lock(o.id), 'gatepost.owner_lock: held already') FROM o;
SELECT is(count(*), 1::bigint, 'gatepost.owner_lock: once') FROM pg_catalog.pg_locks l
WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid();
SELECT ok(NOT gatepost.owner_locked(w.lock_object, 1), 'gatepost.owner_locked: not by another backend')
FROM gatepost.owner w;
SELECT ok(w.locked AND w.same_server, 'ledger.owners: locked, on this server') FROM ledger.owners() w;
SELECT is(gatepost.incarnation(), w.incarnation, 'gatepost.incarnation: as the last renewal wrote it')
FROM gatepost.owner w;

SELECT is((pg_temp.send(2)).verdict, 'accepted', 'ledger.accept: free mail');
SELECT is(c.numbers || c.leases, '{1,2,1,1}'::int[], 'ledger.claim: whole messages')
FROM o, ledger.claim(o.id, 10, 1000000) c;
SELECT is_empty(format('SELECT * FROM ledger.claim(%L, 10, 1000000)', o.id), 'ledger.claim: once') FROM o;
SELECT is(string_agg(q.verdict, ' ' ORDER BY q.number), 'under way under way', 'admin.queue_retry: leased')
FROM gatepost.message m, admin.queue_retry('me', m.id, NULL) q;
SELECT is((SELECT string_agg(s.verdict, ' ' ORDER BY s.number) FROM ledger.settle(o.id, array_fill(pg_temp.acme(),
    '{2}'),
    array_fill(m.id, '{2}'), '{1,2}', '{delivered,deferred}', '{250,450}', '{2.0.0,4.7.1}', '{ok,later}',
    ARRAY[NULL, ledger.clock() + interval '1 hour']) s), 'settled settled', 'ledger.settle: recorded')
FROM o, gatepost.message m;
SELECT is((SELECT count(*) FROM gatepost.event e WHERE e.kind IN ('delivered', 'deferred')
           AND e.credential_id = (SELECT m.credential_id FROM gatepost.message m)), 2::bigint,
    'ledger.settle: its events name the credential');
SELECT is((SELECT s.verdict FROM ledger.settle(o.id, ARRAY[pg_temp.acme()], ARRAY[m.id], '{1}', '{delivered}', '{250}',
    '{2.0.0}', '{ok}', ARRAY[NULL::timestamptz]) s), 'lease_lost', 'ledger.settle: a repeat') FROM o,
    gatepost.message m;
SELECT is(string_agg(q.verdict, ' ' ORDER BY q.number), 'final due', 'admin.queue_retry: what waits is due now')
FROM gatepost.message m, admin.queue_retry('me', m.id, NULL) q;
SELECT throws_ok('SELECT admin.queue_retry(''me'', gatepost.uuid_new(ledger.clock()), NULL)', 'GP002', NULL,
    'admin.queue_retry: no such message');
SELECT FROM admin.tenant_suspend('me', 'acme', NULL, true);
SELECT throws_ok(format('SELECT admin.queue_retry(''me'', %L, NULL)', m.id), 'GP005', NULL,
    'admin.queue_retry: the queue is held') FROM gatepost.message m;
SELECT is(string_agg(q.verdict, ' '), 'final', 'admin.queue_retry: who waits for nothing is not kept by that')
FROM gatepost.message m, admin.queue_retry('me', m.id, '{1}') q;
SELECT FROM admin.tenant_resume('me', 'acme');
SELECT is(q.state || ' ' || q.live, 'deferred 1', 'admin.queue_list: a message is deferred if any recipient is')
FROM admin.queue_list('acme', false, 10, NULL) q;
SELECT throws_ok('SELECT admin.queue_list(''nobody'', false, 10, NULL)', 'GP002', NULL,
    'admin.queue_list: no such tenant');
SELECT is(string_agg(q.state, ' ' ORDER BY q.number), 'delivered deferred', 'admin.queue_show: a row per recipient')
FROM gatepost.message m, admin.queue_show(m.id) q;
SELECT is_empty('SELECT * FROM admin.queue_show(gatepost.uuid_new(ledger.clock()))', 'admin.queue_show: nobody has it');

SELECT is(c.numbers || c.leases, '{2,2}'::int[], 'ledger.claim: what is due, and which lease of it this is')
FROM o, ledger.claim(o.id, 10, 1000000) c;
SELECT is((SELECT s.verdict FROM ledger.settle(o.id, ARRAY[pg_temp.acme()], ARRAY[m.id], '{2}', '{released}', '{NULL}',
    '{NULL}', '{NULL}', ARRAY[NULL::timestamptz], leases => '{1}') s), 'lease_lost',
    'ledger.settle: an outcome of the lease before, again or late') FROM o, gatepost.message m;
SELECT throws_ok(format('SELECT ledger.settle(%L, ARRAY[1::bigint], ARRAY[%L::uuid], ''{2}'', ''{released}'', ''{NULL}'',
    ''{NULL}'', ''{NULL}'', ARRAY[NULL::timestamptz], leases => ''{1,2}'')', o.id, o.id), '22023', NULL,
    'ledger.settle: a lease for each') FROM o;
SELECT is(c.verdict, 'marked', 'ledger.cancel: under way is only marked')
FROM gatepost.message m, ledger.cancel('me', ARRAY[m.id], NULL, '{2}') c;
SELECT is(string_agg(format('%s %s %s', r.number, r.held, r.pool_id = t.pool_id), ', '), '2 f t',
    'ledger.recalled: what is marked, and whose mail still goes')
FROM o, gatepost.tenant t, ledger.recalled(o.id, ARRAY[pg_temp.acme()]) r WHERE t.id = r.tenant_id;
SELECT is(string_agg(format('%s %s', r.number, r.held), ', '), ' f', 'ledger.recalled: another''s is none of it')
FROM o, ledger.recalled(o.other, ARRAY[pg_temp.acme()]) r;
SELECT FROM admin.tenant_suspend('me', 'acme', NULL, true);
SELECT is(bool_and(r.held), true, 'ledger.recalled: a queue that is held') FROM o,
    ledger.recalled(o.id, ARRAY[pg_temp.acme()]) r;
SELECT FROM admin.tenant_resume('me', 'acme');
SELECT is_empty('SELECT ledger.recalled(gatepost.uuid_new(ledger.clock()), ''{0}'')', 'ledger.recalled: no such tenant');
SELECT is(ledger.upkeep_cancelled(100), 0::bigint, 'ledger.upkeep_cancelled: not while it is leased');
SELECT is_empty(format('SELECT * FROM ledger.owner_reclaim(%L, ARRAY[%s::bigint], ARRAY[%L::uuid])', o.id,
    pg_temp.acme(), m.id),
    'ledger.owner_reclaim: what was cancelled is let go of') FROM o, gatepost.message m;
SELECT is(ledger.upkeep_cancelled(100), 1::bigint, 'ledger.upkeep_cancelled: finished once it is free');
SELECT is(test.balance('acme')::text, '(1,1,1,1,1,1)', 'ledger.upkeep_cancelled: and refunded');

SELECT is((pg_temp.send(2)).verdict, 'accepted', 'ledger.accept: more');
SELECT is(count(*), 1::bigint, 'ledger.claim: more') FROM o, ledger.claim(o.id, 10, 1000000) c;
SELECT is(gatepost.free_rows(o.id, 1), 1::bigint, 'gatepost.free_rows: at most so many') FROM o;
SELECT is(string_agg(r.number || ' ' || r.lease, ', ' ORDER BY r.number), '1 2, 2 1',
    'ledger.owner_reclaim: those that nobody took, leased anew, and those still leased')
FROM o, gatepost.message m, ledger.owner_reclaim(o.id, ARRAY[m.tenant_id], ARRAY[m.id]) r
WHERE EXISTS (SELECT FROM gatepost.recipient q WHERE q.message_id = m.id AND q.state = 'queued');
SELECT is(string_agg(l.number || ' ' || l.lease, ', ' ORDER BY l.number), '1 2, 2 1',
    'ledger.owner_leases: all of it') FROM o, ledger.owner_leases(o.id, 10) l;
SELECT is(count(*), 1::bigint, 'ledger.owner_leases: at most so many') FROM o, ledger.owner_leases(o.id, 1) l;
SELECT throws_ok(format('SELECT ledger.owner_reclaim(%L, ''{}'', ''{}'')', o.other), 'GP001', NULL,
    'ledger.owner_reclaim: of one that is gone') FROM o;
SELECT ok(NOT ledger.owner_free(o.id, w.renewals - 1), 'ledger.owner_free: not at another count') FROM o,
    gatepost.owner w;
SELECT ok(ledger.owner_free(o.id, w.renewals), 'ledger.owner_free: at the count seen') FROM o, gatepost.owner w;
SELECT ok(NOT ledger.owner_free(o.id, 0), 'ledger.owner_free: gone already') FROM o;
SELECT is(s.renewals, 0::bigint, 'ledger.owner_start: another') FROM o, ledger.owner_start(o.other, 'here') s;
SELECT is(count(*), 1::bigint, 'ledger.claim: freed is anybody''s') FROM o, ledger.claim(o.other, 10, 1000000) c;
SELECT is(ledger.owner_stop(o.other), 2::bigint, 'ledger.owner_stop: its rows are free') FROM o;
SELECT is(ledger.owner_stop(o.other), 0::bigint, 'ledger.owner_stop: a repeat') FROM o;

UPDATE gatepost.recipient r SET owner_id = o.other FROM o WHERE r.state = 'queued';
SELECT is(ledger.upkeep_orphans(100), 2::bigint, 'ledger.upkeep_orphans: leased to nobody');
SELECT is(ledger.upkeep_orphans(100), 0::bigint, 'ledger.upkeep_orphans: until none is left');
SELECT is(gatepost.move_stragglers(gatepost.uuid_floor(ledger.clock() - interval '1 hour'),
    gatepost.uuid_floor(ledger.clock() + interval '1 hour'), 100), 1::bigint,
    'gatepost.move_stragglers: whole messages');
SELECT is((SELECT count(*) FROM gatepost.recipient_straggler), 2::bigint,
    'gatepost.move_stragglers: with every recipient');
SELECT is(test.balance('acme')::text, '(3,3,3,3,3,3)', 'gatepost.move_stragglers: nothing is lost');

-- What a cancel does to the resubmission key.
UPDATE o SET other = gatepost.uuid_new(ledger.clock());
SELECT is((pg_temp.send(2, digest => 'again')).verdict, 'accepted', 'ledger.accept: with a resubmission key');
SELECT FROM o, ledger.owner_start(o.other, 'here') s;
SELECT FROM o, ledger.claim(o.other, 10, 1000000) c;
SELECT FROM o, gatepost.recent k, ledger.settle(o.other, ARRAY[k.tenant_id], ARRAY[k.message_id], '{1}', '{delivered}',
    '{250}', '{2.0.0}', '{ok}', ARRAY[NULL::timestamptz]) s;
SELECT is(c.verdict, 'final', 'ledger.cancel: delivered')
FROM gatepost.recent k, ledger.cancel('me', ARRAY[k.message_id], NULL, '{1}') c;
SELECT is((SELECT count(*) FROM gatepost.recent), 1::bigint, 'ledger.cancel: where nothing is, the key stays');
SELECT is(c.verdict, 'marked', 'ledger.cancel: the other is under way')
FROM gatepost.recent k, ledger.cancel('me', ARRAY[k.message_id], NULL, '{2}') c;
SELECT is((SELECT count(*) FROM gatepost.recent), 0::bigint, 'ledger.cancel: sent again, it is new mail');
SELECT FROM o, ledger.owner_stop(o.other);
SELECT FROM ledger.upkeep_cancelled(100);

INSERT INTO gatepost.batch (id, at) VALUES (gatepost.uuid_new(ledger.clock()), ledger.clock() - interval '25 hours'),
    (gatepost.uuid_new(ledger.clock()), ledger.clock() - interval '23 hours');
SELECT ok(ledger.upkeep_expired(100) > 0, 'ledger.upkeep_expired: batch rows of a day ago');
SELECT is(ledger.upkeep_expired(100), 0::bigint, 'ledger.upkeep_expired: until none is left');
SELECT is((SELECT count(*) FROM gatepost.batch b WHERE b.at < ledger.clock() - interval '22 hours'), 1::bigint,
    'ledger.upkeep_expired: no younger one');
SELECT throws_ok('SELECT ledger.upkeep_partitions(''-1 day'', ''-1 day'')', 'GP004', NULL,
    'ledger.upkeep_partitions: nobody who may call it can do away with what there is');
SELECT ok(ledger.upkeep_partitions() IS NULL, 'ledger.upkeep_partitions: nothing to do');
SELECT test.at(clock_timestamp() + interval '1 day');
SELECT matches(ledger.upkeep_partitions(), '^made the partition of ', 'ledger.upkeep_partitions: a step at a time');

SELECT * FROM finish();
ROLLBACK;
