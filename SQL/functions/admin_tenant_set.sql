-- admin.tenant_set: change a tenant's limits and ways.
--   In     os_user; slug; changes: an object with any of
--            daily, monthly               recipients; null is unlimited
--            window                       'day' | 'rolling': what daily's day is
--            rate, burst                  recipients a minute, and how many at once; rate null is unlimited; burst
--                                         null or left out is the rate
--            bytes_daily                  octets on a local day; null is unlimited
--            first_time_daily             recipients on a local day not sent to in 90 days; null is unlimited
--            message_size, recipients_per_message   octets; recipients. No null: these have an end
--            sessions                     per node; null is unlimited
--            policy                       'defer' | 'reject' at a cap
--            partial, resubmission, null_sender, foreign_names     booleans
--            warn                         array of percents, 1 to 100
--            shadow_daily, shadow_monthly, shadow_bytes_daily, shadow_first_time_daily
--                                         caps that are proposed and not in force; null is none
--          each of which "inherit" gives back to the plan or the default; and
--            plan                         a plan's name, or null
--            zone                         an IANA name; takes effect at the next midnight of the zone in force
--            pool                         a pool's name
--            contact                      the address that warnings are mailed to, or null
--   Out    changed: false if everything was so already
--   Raises GP002 no such tenant, pool or plan; GP004 an unknown key or a value that cannot be (MESSAGE says which, HINT
--          what can).
--   Locks  the meter first: when it returns, nothing under way was decided by the old values and is still uncommitted. Then the
--          plan.
--   Repeat harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now timestamptz;
    v_old gatepost.tenant;
    v_new gatepost.tenant;
    v_id bigint := gatepost.tenant_id(slug);
    v_since xid8;
BEGIN
    -- Checked before the lock (a look through the time zones takes a while), and again under it.
    SELECT t.* INTO v_old FROM gatepost.tenant t WHERE t.id = v_id;
    v_new := gatepost.tenant_changed(v_old, changes);
    SELECT p.since INTO v_since FROM gatepost.correspondent_prepare(ARRAY[v_new]) AS p;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    -- A plan that changes at this moment is either seen here, or finds this tenant afterwards.
    PERFORM FROM gatepost.plan p
    WHERE p.name = tenant_set.changes ->> 'plan' OR p.id = (SELECT t.plan_id FROM gatepost.tenant t WHERE t.id = v_id)
    ORDER BY p.id FOR SHARE;
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
    PERFORM gatepost.tenant_store(v_old, v_new, v_now, v_since);
    PERFORM gatepost.audited(os_user, v_id, 'tenant set', slug, changes, 'tenant:' || v_id);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_set(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_set(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_set(text, text, jsonb) TO gatepost_admin;
