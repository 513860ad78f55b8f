-- For Benchmarks/claim, after accept-cost.sql: what is deferred, and a procedure that measures claim.

-- `count` messages to one recipient each, who is due now or, where his domain does not answer, within the next hours.
CREATE PROCEDURE bench.queue(slug text, count int, is_dead boolean) LANGUAGE sql AS $$
    WITH sent AS (
        INSERT INTO gatepost.message (tenant_id, id, credential_id, login_id, accepted_at, size, recipients, sender,
                                      from_domain)
        SELECT l.tenant_id, gatepost.uuid_new(ledger.clock()), l.credential_id, l.id, ledger.clock(), 2002, 1,
               'news@rules.example', 'rules.example'
        FROM gatepost.login l, generate_series(1, count) WHERE l.name = slug || '.a'
        RETURNING tenant_id, id)
    INSERT INTO gatepost.recipient (tenant_id, message_id, number, next_attempt, state, address, domain, attempts)
    SELECT s.tenant_id, s.id, 1,
           ledger.clock() + CASE WHEN is_dead THEN interval '1 minute' + random() * interval '4 hours'
                            ELSE interval '0' END,
           CASE WHEN is_dead THEN 'deferred' ELSE 'queued' END, 'r@remote.example',
           CASE WHEN is_dead THEN 'dead.example' ELSE 'remote.example' END, CASE WHEN is_dead THEN 5 ELSE 0 END
    FROM sent s
$$;

-- `calls` claims of `size` messages that are due; nanoseconds of a claim with its COMMIT.
CREATE PROCEDURE bench.claim(slug text, size int, calls int, INOUT nanoseconds bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_owner uuid := gatepost.uuid_new(ledger.clock());
    v_from bigint;
    v_took bigint := 0;
    v_count int;
BEGIN
    PERFORM FROM ledger.owner_start(v_owner, 'bench');
    COMMIT;
    LOOP  -- what others left that is due
        SELECT count(*) INTO v_count FROM ledger.claim(v_owner, 1000, 1000000000);
        COMMIT;
        EXIT WHEN v_count = 0;
    END LOOP;
    FOR i IN 1..calls LOOP
        CALL bench.queue(slug, size, false);
        COMMIT;
        v_from := bench.processor();
        SELECT count(*) INTO v_count FROM ledger.claim(v_owner, 50, 1000000000);
        COMMIT;
        v_took := v_took + bench.processor() - v_from;
        IF v_count <> size THEN
            RAISE EXCEPTION '% claimed instead of %', v_count, size;
        END IF;
    END LOOP;
    nanoseconds := v_took / calls;
END
$$;
