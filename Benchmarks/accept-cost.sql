-- For Benchmarks/accept-cost: two tenants with a month behind them, and a procedure that measures accept.
CREATE SCHEMA bench;

SELECT admin.tenant_create('bench', s.slug, '{"daily": 1000000000, "monthly": 1000000000}')
FROM (VALUES ('rules'), ('watched')) AS s (slug);
SELECT admin.domain_add('bench', t.slug, t.slug || '.example', true) FROM gatepost.tenant t;
INSERT INTO gatepost.credential (tenant_id, name, daily_cap) SELECT t.id, t.slug || '.a', 1000000000 FROM gatepost.tenant t;
INSERT INTO gatepost.login (tenant_id, credential_id, name, verifier)
SELECT c.tenant_id, c.id, c.name, 'SCRAM-SHA-256$4096:c2FsdA==$a:b' FROM gatepost.credential c;
-- The 28th day of a month that was used throughout: a credential's month is the sum of its days.
INSERT INTO gatepost.test_clock (at) VALUES (date_trunc('month', now()) + interval '27 days 10 hours');
SELECT gatepost.make_partition(f.name, ledger.clock() + d * interval '6 hours')
FROM gatepost.partition_family f, generate_series(-1, 1) d;
INSERT INTO gatepost.usage (tenant_id, credential_id, period, starts, recipients, messages, bytes)
SELECT c.tenant_id, x.credential_id, 'day', d::date, 1000, 1000, 1000000
FROM gatepost.credential c, LATERAL (VALUES (0::bigint), (c.id)) AS x (credential_id),
     generate_series(date_trunc('month', ledger.clock()), ledger.clock() - interval '1 day', '1 day') AS d;
ANALYZE;

-- Processor time of this very process so far, in nanoseconds.
CREATE FUNCTION bench.processor() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT split_part(pg_read_file('/proc/self/schedstat', 0, 200), ' ', 1)::bigint $$;

-- `calls` batches of a tenant; nanoseconds of a call with its COMMIT. The same loop without accept is taken off.
CREATE PROCEDURE bench.run(slug text, size int, calls int, INOUT nanoseconds bigint) LANGUAGE plpgsql AS $$
DECLARE
    l gatepost.login;
    v_from bigint;
    v_took bigint[] := '{0,0}';
    v_ids uuid[];
    v_digests bytea[];
    v_addresses text[];
    v_tenants bigint[];
    v_credentials bigint[];
    v_logins bigint[];
    v_senders text[];
    v_domains text[];
    v_bodies bytea[];
    v_sizes bigint[];
    v_texts text[];
    v_helos bytea[];
    v_messages int[] := ARRAY(SELECT generate_series(1, size));
    v_remotes text[] := array_fill('remote.example'::text, ARRAY[size]);
    v_said text;
BEGIN
    SELECT o.* INTO l FROM gatepost.login o WHERE o.name = run.slug || '.a';
    v_tenants := array_fill(l.tenant_id, ARRAY[size]);
    v_credentials := array_fill(l.credential_id, ARRAY[size]);
    v_logins := array_fill(l.id, ARRAY[size]);
    v_senders := array_fill('news@' || slug || '.example', ARRAY[size]);
    v_domains := array_fill(slug || '.example', ARRAY[size]);
    v_bodies := array_fill(convert_to(repeat('Twenty octets a line, ', 91), 'UTF8'), ARRAY[size]);
    v_sizes := array_fill(2002::bigint, ARRAY[size]);
    v_texts := array_fill('192.0.2.1'::text, ARRAY[size]);
    v_helos := array_fill('client'::bytea, ARRAY[size]);
    COMMIT;
    FOR pass IN 1..2 LOOP
        v_from := bench.processor();
        FOR i IN 1..calls LOOP
            v_ids := ARRAY(SELECT gatepost.uuid_new(ledger.clock()) FROM generate_series(1, size));
            v_digests := ARRAY(SELECT sha256(uuid_send(n)) FROM unnest(v_ids) AS n);
            -- Every other one is new to the tenant.
            v_addresses := ARRAY(SELECT CASE n.place % 2 WHEN 0 THEN 'r' || n.place ELSE 'r' || n.id END
                || '@remote.example' FROM unnest(v_ids) WITH ORDINALITY AS n (id, place));
            IF pass = 2 THEN
                SELECT min(a.verdict) || max(a.verdict) INTO v_said FROM ledger.accept(
                    batch => v_ids[1], owner => NULL, ids => v_ids, tenant_ids => v_tenants,
                    credential_ids => v_credentials, login_ids => v_logins, senders => v_senders,
                    sender_domains => v_domains, from_domains => v_domains, bodies => v_bodies, sizes => v_sizes,
                    digests => v_digests, clients => v_texts, helos => v_helos, message_id_headers => v_texts,
                    recipient_messages => v_messages, recipient_addresses => v_addresses,
                    recipient_domains => v_remotes) a;
                IF v_said <> 'acceptedaccepted' THEN
                    RAISE EXCEPTION 'not accepted: %', v_said;
                END IF;
            END IF;
            COMMIT;
        END LOOP;
        v_took[pass] := bench.processor() - v_from;
    END LOOP;
    nanoseconds := (v_took[2] - v_took[1]) / calls;
END
$$;
