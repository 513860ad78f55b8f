-- gatepost.tenant_store: write what gatepost.tenant_changed made of a tenant's row.
--   In     the row as it is, and as it will be; the instant of the change; prepared: the
--          `since` of gatepost.correspondent_prepare, null: it was not prepared
--   Locks  none of its own: the caller holds the meter.    Role  none; admin.tenant_* and admin.plan_* use it
DROP FUNCTION IF EXISTS gatepost.tenant_store(gatepost.tenant, gatepost.tenant, timestamptz);
CREATE OR REPLACE FUNCTION gatepost.tenant_store(old gatepost.tenant, new gatepost.tenant, at timestamptz,
    prepared xid8 DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF new.rate IS DISTINCT FROM old.rate AND old.rate IS NOT NULL THEN
        -- What has drained so far drained at the old rate.
        UPDATE gatepost.meter m
        SET debt = CASE WHEN new.rate IS NULL THEN 0 ELSE greatest(0, m.debt - trunc(old.rate * greatest(0,
                   extract(epoch FROM at - greatest(m.debt_at, at - interval '1 year')) * 1000000))) END,
            debt_at = at
        WHERE m.tenant_id = old.id;
    END IF;
    UPDATE gatepost.tenant t
    SET plan_id = new.plan_id, own = new.own, zone = new.zone, next_zone = new.next_zone,
        next_zone_from = new.next_zone_from, daily_cap = new.daily_cap, daily_window = new.daily_window,
        monthly_cap = new.monthly_cap, rate = new.rate, burst = new.burst, bytes_daily_cap = new.bytes_daily_cap,
        first_time_daily_cap = new.first_time_daily_cap, message_size = new.message_size,
        recipients_per_message = new.recipients_per_message, sessions = new.sessions, policy = new.policy,
        partial = new.partial, resubmission = new.resubmission, null_sender = new.null_sender,
        foreign_names = new.foreign_names,
        warn_percents = new.warn_percents, contact = new.contact, pool_id = new.pool_id,
        shadow_daily_cap = new.shadow_daily_cap, shadow_monthly_cap = new.shadow_monthly_cap,
        shadow_bytes_daily_cap = new.shadow_bytes_daily_cap,
        shadow_first_time_daily_cap = new.shadow_first_time_daily_cap
    WHERE t.id = old.id;
    -- Whom it has written to is known only while that is limited: it begins with what is stored.
    IF coalesce(new.first_time_daily_cap, new.shadow_first_time_daily_cap) IS NOT NULL
        AND coalesce(old.first_time_daily_cap, old.shadow_first_time_daily_cap) IS NULL
    THEN
        PERFORM gatepost.correspondent_fill(old.id, prepared);
    END IF;
END
$$;

ALTER FUNCTION gatepost.tenant_store(gatepost.tenant, gatepost.tenant, timestamptz, xid8) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.tenant_store(gatepost.tenant, gatepost.tenant, timestamptz, xid8) FROM PUBLIC;
