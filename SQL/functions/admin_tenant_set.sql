-- admin.tenant_set: change a tenant's limits and ways.
--   In     os_user; slug; changes: an object with any of
--            daily, monthly               recipients; null is unlimited
--            rate, burst                  recipients a minute, and how many at once; rate null is unlimited; burst
--                                         null or left out is the rate
--            message_size, recipients_per_message   octets; recipients. No null: these have an end
--            sessions                     per node; null is unlimited
--            zone                         an IANA name; takes effect at the next midnight of the zone in force
--            policy                       'defer' | 'reject' at a cap
--            partial, resubmission, null_sender     booleans
--            warn                         array of percents
--            pool                         a pool's name
--   Out    changed: false if everything was so already
--   Raises GP002 no such tenant or pool; GP004 an unknown key or a value that cannot be (MESSAGE says which, HINT what
--          can).
--   Locks  the meter first: when it returns, nothing under way was decided by the old values and is still uncommitted.
--   Repeat harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz;
    v_old gatepost.tenant;
    v_new gatepost.tenant;
    v_id bigint := gatepost.tenant_id(slug);
BEGIN
    -- Checked before the lock (a look through the time zones takes a while), and again under it.
    SELECT t.* INTO v_old FROM gatepost.tenant t WHERE t.id = v_id;
    PERFORM gatepost.tenant_changed(v_old, changes);
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    v_now := ledger.clock();
    SELECT t.* INTO v_old FROM gatepost.tenant t WHERE t.id = v_id;
    v_new := gatepost.tenant_changed(v_old, changes - 'zone');
    IF v_old.next_zone_from <= v_now THEN
        v_new.zone := v_old.next_zone;
        v_new.next_zone := NULL;
        v_new.next_zone_from := NULL;
    END IF;
    IF changes ->> 'zone' = v_new.zone THEN
        v_new.next_zone := NULL;
        v_new.next_zone_from := NULL;
    ELSIF changes ->> 'zone' IS DISTINCT FROM v_new.next_zone AND changes ? 'zone' THEN
        v_new.next_zone := changes ->> 'zone';
        v_new.next_zone_from := gatepost.first_moment((v_now AT TIME ZONE v_new.zone)::date + 1, v_new.zone);
    END IF;
    IF v_new IS NOT DISTINCT FROM v_old THEN
        RETURN false;
    END IF;
    IF v_new.rate IS DISTINCT FROM v_old.rate AND v_old.rate IS NOT NULL THEN
        -- What has drained so far drained at the old rate.
        UPDATE gatepost.meter m
        SET debt = CASE WHEN v_new.rate IS NULL THEN 0 ELSE greatest(0, m.debt - trunc(v_old.rate * greatest(0,
                   extract(epoch FROM v_now - greatest(m.debt_at, v_now - interval '1 year')) * 1000000))) END,
            debt_at = v_now
        WHERE m.tenant_id = v_id;
    END IF;
    UPDATE gatepost.tenant t
    SET zone = v_new.zone, next_zone = v_new.next_zone, next_zone_from = v_new.next_zone_from,
        daily_cap = v_new.daily_cap, monthly_cap = v_new.monthly_cap, rate = v_new.rate, burst = v_new.burst,
        message_size = v_new.message_size, recipients_per_message = v_new.recipients_per_message,
        sessions = v_new.sessions, policy = v_new.policy, partial = v_new.partial, resubmission = v_new.resubmission,
        null_sender = v_new.null_sender, warn_percents = v_new.warn_percents, pool_id = v_new.pool_id
    WHERE t.id = v_id;
    PERFORM gatepost.audited(os_user, v_id, 'tenant set', slug, changes, 'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_set(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_set(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_set(text, text, jsonb) TO gatepost_admin;
