-- admin.credential_set: change what a credential may do.
--   In     os_user; name of the credential; changes: an object with any of
--            daily, monthly, bytes_daily          recipients, octets; null: none of its own, the tenant's count
--            rate, burst                          recipients a minute, and how many at once; burst null or left out is
--                                                 the rate
--            message_size, recipients_per_message, sessions   the same; null: the tenant's
--            label                                a text
--            mode                                 'live' | 'test'
--            networks, senders, mechanisms        arrays of texts; null: any. A sender is `local-part@domain` or a
--                                                 domain, the domain an A-label in lower case and one of the tenant's
--            not_before, expires                  instants with their UTC offset; null: none
--   Out    changed: false if everything was so already; was, becomes: objects of what is different
--   Raises GP002 no such credential; GP005 it is revoked; GP004 an unknown key or a value that cannot be
--   Locks  the meter first: when it returns, nothing under way was decided by the old values and is still uncommitted.
--   Repeat harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_set(os_user text, name text, changes jsonb)
RETURNS TABLE (changed boolean, was jsonb, becomes jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz;
    v_old gatepost.credential := gatepost.credential_named(credential_set.name);
    v_new gatepost.credential;
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_old.tenant_id]);
    v_now := ledger.clock();
    SELECT c.* INTO v_old FROM gatepost.credential c WHERE c.tenant_id = v_old.tenant_id AND c.id = v_old.id;
    v_new := gatepost.credential_changed(v_old, changes);
    IF v_new IS NOT DISTINCT FROM v_old THEN
        RETURN QUERY SELECT false, '{}'::jsonb, '{}'::jsonb;
        RETURN;
    END IF;
    IF v_old.revoked_at IS NOT NULL THEN
        RAISE EXCEPTION 'the credential "%" is revoked', credential_set.name USING ERRCODE = 'GP005',
            HINT = format('gatepost credential issue %s', split_part(credential_set.name, '.', 1));
    END IF;
    IF v_new.rate IS DISTINCT FROM v_old.rate AND v_old.rate IS NOT NULL THEN
        -- What has drained so far drained at the old rate.
        UPDATE gatepost.credential_rate m
        SET debt = CASE WHEN v_new.rate IS NULL THEN 0 ELSE greatest(0, m.debt - trunc(v_old.rate * greatest(0,
                   extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000))) END,
            debt_at = v_now
        WHERE m.tenant_id = v_old.tenant_id AND m.credential_id = v_old.id;
    END IF;
    UPDATE gatepost.credential c
    SET label = v_new.label, mode = v_new.mode, daily_cap = v_new.daily_cap, monthly_cap = v_new.monthly_cap,
        bytes_daily_cap = v_new.bytes_daily_cap, rate = v_new.rate, burst = v_new.burst,
        message_size = v_new.message_size, recipients_per_message = v_new.recipients_per_message,
        sessions = v_new.sessions, networks = v_new.networks, senders = v_new.senders, mechanisms = v_new.mechanisms,
        not_before = v_new.not_before, expires_at = v_new.expires_at
    WHERE c.tenant_id = v_old.tenant_id AND c.id = v_old.id;
    IF v_old.mode = 'test' AND v_new.mode <> 'test' THEN
        -- Nothing of what was tested was ever sent: sent again, it is new mail.
        DELETE FROM gatepost.recent k WHERE k.tenant_id = v_old.tenant_id AND k.credential_id = v_old.id;
    END IF;
    changed := true;
    SELECT jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, n.value) INTO was, becomes
    FROM jsonb_each(gatepost.credential_terms(v_old)) o
    JOIN jsonb_each(gatepost.credential_terms(v_new)) n ON n.key = o.key
    WHERE n.value IS DISTINCT FROM o.value;
    PERFORM gatepost.audited(os_user, v_old.tenant_id, 'credential set', credential_set.name,
                             jsonb_build_object('was', was, 'becomes', becomes), 'credential:' || v_old.id);
    RETURN NEXT;
END
$$;

ALTER FUNCTION admin.credential_set(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_set(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_set(text, text, jsonb) TO gatepost_admin;
