-- gatepost.reset: when a counter starts again: the first moment of a day (or month) not yet begun.
--   In     tenant, at, period 'day' | 'month'
--   Out    the instant, and its text in the zone in force then. A change of zone can bring a day back (its counter goes
--          on) or leave one out, so this is neither always the next midnight nor always 24 h after the last.
--   Locks  none.    Repeat  the same.    Role  none; the ledger's functions use it
CREATE OR REPLACE FUNCTION gatepost.reset(
    tenant bigint, at timestamptz, period text, OUT resets_at timestamptz, OUT resets_text text
)
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_tenant gatepost.tenant;
    v_zone text;
    v_begun date;   -- the latest day or month that has begun
    v_next date;    -- the one after it
    v_there date;   -- what the next zone's calendar says when it takes over
BEGIN
    SELECT t.* INTO v_tenant FROM gatepost.tenant t WHERE t.id = tenant;
    v_zone := CASE WHEN v_tenant.next_zone_from <= at THEN v_tenant.next_zone ELSE v_tenant.zone END;
    v_begun := date_trunc(period, at AT TIME ZONE v_zone)::date;
    -- (In another zone it can be two days later. What is later still was counted by a clock that was wrong.)
    v_begun := greatest(v_begun, (SELECT max(u.starts) FROM gatepost.usage u
        WHERE u.tenant_id = tenant AND u.credential_id = 0 AND u.period = reset.period
          AND u.starts <= date_trunc(reset.period, at AT TIME ZONE v_zone + interval '2 days')));
    v_next := v_begun + CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END;
    resets_at := gatepost.first_moment(v_next, v_zone);
    IF resets_at <= at THEN
        -- Clocks were set back over midnight, and the day after this one has begun once already.
        v_begun := v_next;
        v_next := v_begun + CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END;
        resets_at := gatepost.first_moment(v_next, v_zone);
    END IF;
    IF v_tenant.next_zone_from > at AND v_tenant.next_zone_from <= resets_at THEN
        v_zone := v_tenant.next_zone;
        v_there := date_trunc(period, v_tenant.next_zone_from AT TIME ZONE v_zone)::date;
        resets_at := CASE WHEN v_there > v_begun THEN v_tenant.next_zone_from
                          ELSE gatepost.first_moment(v_next, v_zone) END;
    END IF;
    resets_text := gatepost.instant_text(resets_at, v_zone);
END
$$;

ALTER FUNCTION gatepost.reset(bigint, timestamptz, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.reset(bigint, timestamptz, text) FROM PUBLIC;
