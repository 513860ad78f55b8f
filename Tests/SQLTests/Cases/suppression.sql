-- Whom a tenant does not write to any more: the list, and what accept makes of it.
\ir begin.psql
SELECT plan(59);
SELECT test.at('2026-06-01 10:00:00+00');
UPDATE gatepost.tenant t SET daily_cap = 1000, warn_percents = '{}';

CREATE FUNCTION pg_temp.said(messages jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', v.verdict, v.limit_name, v.cap, v.used, v.detail), '; ' ORDER BY v.ord)
    FROM test.accept((SELECT jsonb_agg('{"tenant": "acme", "recipients": 2, "size": 100}' || m.value)
                      FROM jsonb_array_elements(messages) AS m), gatepost.uuid_new(ledger.clock()), NULL)
        WITH ORDINALITY AS v (id, verdict, queue_id, limit_name, cap, used, resets_at, resets_text, policy, detail,
            remaining, clock, ord)
$$;
CREATE FUNCTION pg_temp.told() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', e.number, e.detail ->> 'recipient', e.detail ->> 'reason'), '; ' ORDER BY e.number)
    FROM gatepost.event e WHERE e.kind = 'suppressed'
$$;

-- The list.
SELECT is(admin.suppression_add('u', 'acme', '{R2@Remote.example, r2@remote.example, x@remote.example}', 'hard bounce',
    NULL), 2::bigint, 'admin.suppression_add: in small letters, each once');
SELECT is(admin.suppression_add('u', 'acme', '{r2@remote.example}', 'hard bounce', NULL), 0::bigint,
    'admin.suppression_add: again, nothing is different');
SELECT is(admin.suppression_add('u', 'acme', '{r2@remote.example}', 'asked for it', NULL), 1::bigint,
    'admin.suppression_add: another reason is');
SELECT results_eq('SELECT s.suppressed, s.reason, s.in_force FROM admin.suppression_list($$acme$$, NULL, NULL, 10) s',
    $$VALUES ('r2@remote.example', 'asked for it', true), ('x@remote.example', 'hard bounce', true)$$,
    'admin.suppression_list: by address');
SELECT results_eq('SELECT s.suppressed FROM admin.suppression_list($$acme$$, NULL, $$r2@remote.example$$, 10) s',
    $$VALUES ('x@remote.example')$$, 'admin.suppression_list: a page behind another');
SELECT results_eq('SELECT s.suppressed FROM admin.suppression_list($$acme$$, NULL, NULL, 1) s',
    $$VALUES ('r2@remote.example')$$, 'admin.suppression_list: no more than a page');
SELECT results_eq('SELECT s.suppressed FROM admin.suppression_list($$acme$$, $$X@remote.example$$, NULL, 10) s',
    $$VALUES ('x@remote.example')$$, 'admin.suppression_list: one address, in any case');
SELECT throws_ok('SELECT * FROM admin.suppression_list($$nobody$$, NULL, NULL, 10)', 'GP002', NULL,
    'admin.suppression_list: no such tenant');
SELECT throws_ok('SELECT admin.suppression_add($$u$$, $$nobody$$, $${a@b}$$, $$r$$, NULL)', 'GP002', NULL,
    'admin.suppression_add: no such tenant');
SELECT throws_ok(format('SELECT admin.suppression_add($$u$$, $$acme$$, %L, $$r$$, NULL)', a), 'GP004', NULL,
    'admin.suppression_add: no address: ' || a)
FROM (VALUES ('{remote.example}'), ('{@remote.example}'), ('{a@}'), ('{"a@b c"}'), ('{NULL}')) AS v (a);
SELECT throws_ok('SELECT admin.suppression_add($$u$$, $$acme$$, $${a@b}$$, $$$$, NULL)', 'GP004', NULL,
    'admin.suppression_add: no reason');
SELECT results_eq('SELECT a.action, a.object, a.detail ->> $$reason$$ FROM gatepost.audit a
    WHERE a.action LIKE $$suppression%$$ ORDER BY a.id', $$VALUES ('suppression add', 'acme r2@remote.example', 'hard bounce'),
    ('suppression add', 'acme x@remote.example', 'hard bounce'), ('suppression add', 'acme r2@remote.example', 'asked for it')$$,
    'admin.suppression_add: audited, address by address, where something changed');
SELECT pg_temp.writes_meter('SELECT admin.suppression_add($$u$$, $$acme$$, $${w@remote.example}$$, $$r$$, NULL)',
    'admin.suppression_add: writes the meter, on a repeat too');
SELECT pg_temp.writes_meter('SELECT admin.suppression_remove($$u$$, $$acme$$, $${W@remote.example}$$)',
    'admin.suppression_remove: writes the meter, on a repeat too');
SELECT is(admin.suppression_remove('u', 'acme', '{nobody@remote.example, X@REMOTE.example}'), 1::bigint,
    'admin.suppression_remove: in any case; what is not there is not counted');
SELECT throws_ok('SELECT admin.suppression_remove($$u$$, $$nobody$$, $${a@b}$$)', 'GP002', NULL,
    'admin.suppression_remove: no such tenant');

-- As RCPT asks for it.
SELECT is(ledger.suppressed(t.id, '{a@remote.example, R2@Remote.example, x@remote.example, r2@remote.example}'),
    '{2,4}', 'ledger.suppressed: by their places, in any case; removed ones are not') FROM gatepost.tenant t
WHERE t.slug = 'acme';
SELECT is(ledger.suppressed(t.id, '{a@remote.example}'), '{}', 'ledger.suppressed: none of them') FROM gatepost.tenant t
WHERE t.slug = 'acme';
SELECT is(ledger.suppressed(0, '{r2@remote.example}'), NULL, 'ledger.suppressed: a tenant that suppresses nobody');
SELECT admin.suppression_add('u', 'acme', '{soon@remote.example}', 'r', '2026-06-01 10:00:01Z');
SELECT is(ledger.suppressed(t.id, '{soon@remote.example}'), '{1}', 'ledger.suppressed: until then') FROM gatepost.tenant t
WHERE t.slug = 'acme';
SELECT test.at('2026-06-01 10:00:01+00');
SELECT is(ledger.suppressed(t.id, '{soon@remote.example}'), '{}', 'ledger.suppressed: not from then on')
FROM gatepost.tenant t WHERE t.slug = 'acme';
SELECT test.at('2026-06-01 10:00:00+00');
SELECT admin.suppression_remove('u', 'acme', '{soon@remote.example}');

-- Dropped at the commit: r2 of r1 and r2.
SELECT is(pg_temp.said('[{}]'), 'accepted suppressed 2', 'ledger.accept: a suppressed recipient is dropped');
SELECT is(test.balance('acme')::text, '(1,1,1,1,1,1)', 'ledger.accept: what is dropped is neither stored nor charged');
SELECT is(pg_temp.told(), '2 r2@remote.example asked for it', 'ledger.accept: an event says who, and why');
SELECT results_eq('SELECT r.number, r.address FROM gatepost.recipient r', $$VALUES (1, 'r1@remote.example')$$,
    'ledger.accept: the other keeps its number');
SELECT results_eq('SELECT m.recipients FROM gatepost.message m', 'VALUES (1)',
    'ledger.accept: the message has as many recipients as are stored');
SELECT is(pg_temp.said('[{"recipients": 1}]'), 'accepted', 'ledger.accept: whoever is not meant is not concerned');
SELECT is_empty('SELECT * FROM admin.usage_verify($$acme$$, $$2026-06-01$$, $$2026-06-01$$)',
    'admin.usage_verify: nothing differs after a drop');
DELETE FROM gatepost.event e WHERE e.kind = 'suppressed';

-- All of them.
SELECT is(admin.suppression_add('u', 'acme', '{r1@remote.example}', 'spam trap', NULL), 1::bigint,
    'admin.suppression_add: another one');
SELECT is(pg_temp.said('[{}, {"recipients": 3}, {"recipients": 1, "to": "y"}]'),
    'suppressed 2 r1@remote.example: spam trap; accepted suppressed 1 2; accepted',
    'ledger.accept: a message with nobody left is refused, and says so; its neighbours are not');
SELECT is(test.balance('acme')::text, '(4,4,4,4,4,4)', 'ledger.accept: and takes nothing');
SELECT is(pg_temp.told(), '1 r1@remote.example spam trap; 1 r1@remote.example spam trap; 2 r2@remote.example asked for it; '
    || '2 r2@remote.example asked for it', 'ledger.accept: an event for each, refused or not');
SELECT is((SELECT count(*) FROM gatepost.message m), 4::bigint, 'ledger.accept: nothing is left of what was refused');
SELECT is((SELECT e.detail ->> 'verdict' || ' ' || (e.detail ->> 'recipients') FROM gatepost.event e WHERE e.kind = 'refused'),
    'suppressed 2', 'ledger.accept: the refusal''s event names the verdict');

-- With the other limits: the cap counts what is left, recipients per message what was offered.
UPDATE gatepost.tenant SET daily_cap = 5;
SELECT is(pg_temp.said('[{"recipients": 3}, {"recipients": 3}]'), 'accepted suppressed 1 2; cap_daily daily 5 5',
    'ledger.accept: a cap counts those that are left');
UPDATE gatepost.tenant SET daily_cap = 1000, recipients_per_message = 2;
SELECT is(pg_temp.said('[{"recipients": 3}]'), 'too_many_recipients recipients_per_message 2 3',
    'ledger.accept: recipients per message counts what was offered');
UPDATE gatepost.tenant SET daily_cap = 1, recipients_per_message = 100;
SELECT is(pg_temp.said('[{}]'), 'suppressed 2 r1@remote.example: spam trap',
    'ledger.accept: who is suppressed will not be written to tomorrow either');
UPDATE gatepost.tenant SET daily_cap = 1000, first_time_daily_cap = 1;
SELECT is(pg_temp.said('[{"recipients": 3}]'), 'accepted suppressed 1 2', 'ledger.accept: one new recipient is left');
SELECT is((SELECT count(*) FROM gatepost.correspondent), 1::bigint, 'ledger.accept: who was not written to is not known');
UPDATE gatepost.tenant SET first_time_daily_cap = NULL, shadow_daily_cap = 1;
SELECT is(pg_temp.said('[{"recipients": 3}]'), 'accepted suppressed 1 2', 'ledger.accept: with a proposed cap');
SELECT is((SELECT e.detail ->> 'recipients' FROM gatepost.event e WHERE e.kind = 'would_refuse'), '1',
    'ledger.accept: a proposed cap counts those that are left');
UPDATE gatepost.tenant SET shadow_daily_cap = NULL;
SELECT is(pg_temp.said('[{"recipients": 3, "digest": "d"}, {"recipients": 3, "digest": "d"}]'),
    'accepted suppressed 1 2; resubmitted', 'ledger.accept: sent again it is the same message');
SELECT is(count(*), 1::bigint, 'ledger.accept: and leaves an event that names the first')
FROM gatepost.event e JOIN gatepost.event f ON f.id = e.message_id AND f.kind = 'accepted' WHERE e.kind = 'resubmitted';
-- As MAIL and RCPT ask where a cap seems to be reached.
SELECT is(array_agg(DISTINCT ledger.resubmissible(k.tenant_id, k.credential_id, '', a.address) = a.possible), '{t}',
    'ledger.resubmissible: to whom was written a moment ago, nobody else')
FROM gatepost.recent k, (VALUES ('r3@remote.example', true), ('R3@remote.example', false), ('r9@remote.example', false))
    AS a (address, possible);
SELECT is(array_agg(DISTINCT ledger.resubmissible(k.tenant_id, k.credential_id, m.sender, NULL)), '{t}',
    'ledger.resubmissible: from whom was written a moment ago')
FROM gatepost.recent k JOIN gatepost.message m ON m.tenant_id = k.tenant_id AND m.id = k.message_id;
SELECT is(array_agg(DISTINCT ledger.resubmissible(k.tenant_id, k.credential_id, 'other@acme.example', NULL)), '{f}',
    'ledger.resubmissible: from nobody else') FROM gatepost.recent k;
SELECT is(array_agg(DISTINCT ledger.resubmissible(k.tenant_id, k.credential_id + 1000, '', 'r3@remote.example')), '{f}',
    'ledger.resubmissible: not another credential''s') FROM gatepost.recent k;
SELECT test.at('2026-06-01 10:10:00+00');
SELECT is(array_agg(DISTINCT ledger.resubmissible(k.tenant_id, k.credential_id, '', 'r3@remote.example')), '{f}',
    'ledger.resubmissible: for ten minutes') FROM gatepost.recent k;
SELECT test.at('2026-06-01 10:00:00+00');
UPDATE gatepost.credential SET mode = 'test' WHERE name = 'acme.b';
SELECT is(pg_temp.said('[{"recipients": 3, "credential": "acme.b"}, {"credential": "acme.b"}]'),
    'accepted test; suppressed 2 r1@remote.example: spam trap', 'ledger.accept: in test mode too');
SELECT is((SELECT u.recipients FROM gatepost.usage u WHERE u.credential_id = 0 AND u.period = 'test'), 1::bigint,
    'ledger.accept: test mode counts those that are left');

-- Until when.
SELECT is(admin.suppression_remove('u', 'acme', '{r1@remote.example, r2@remote.example}'), 2::bigint,
    'admin.suppression_remove: two');
SELECT is(admin.suppression_add('u', 'acme', '{r1@remote.example}', 'full', '2026-06-01 10:00:00.000001+00'), 1::bigint,
    'admin.suppression_add: with an end');
SELECT is(pg_temp.said('[{}]'), 'accepted suppressed 1', 'ledger.accept: until its last moment');
SELECT test.at('2026-06-01 10:00:00.000001+00');
SELECT is(pg_temp.said('[{}]'), 'accepted', 'ledger.accept: and not from its end on');
SELECT results_eq('SELECT s.in_force FROM admin.suppression_list($$acme$$, NULL, NULL, 10) s', 'VALUES (false)',
    'admin.suppression_list: shows what has ended, and that it has');
SELECT * FROM finish();
ROLLBACK;
