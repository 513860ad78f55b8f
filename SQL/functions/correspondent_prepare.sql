-- gatepost.correspondent_prepare: the long part of gatepost.correspondent_fill, before the meter is locked, so that nobody
-- waits for it: under the meter only what was accepted meanwhile is left to read.
--   In     tenants and the rows they will have, in parallel, as far as is known before the lock
--   Out    prepared: the ids of those whose correspondents are there now, but for what transactions from `since` on accept:
--          gatepost.correspondent_fill reads that under the meter
--   Locks  one advisory lock for all that prepare: nobody else writes to the correspondents of a tenant without such a
--          limit, so that who holds a meter never waits for this.    Repeat  harmless
--   Role   none; admin.tenant_set and admin.plan_apply use it
CREATE OR REPLACE FUNCTION gatepost.correspondent_prepare(tenants gatepost.tenant[], OUT since xid8,
    OUT prepared bigint[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new gatepost.tenant;
BEGIN
    prepared := '{}';
    FOREACH v_new IN ARRAY tenants LOOP
        CONTINUE WHEN coalesce(v_new.first_time_daily_cap, v_new.shadow_first_time_daily_cap) IS NULL;
        IF since IS NULL THEN
            PERFORM pg_advisory_xact_lock(1196445525, 1);
            -- In a statement before those that read: whatever is older than this they see, if it was committed.
            since := pg_snapshot_xmin(pg_current_snapshot());
        END IF;
        prepared := prepared || v_new.id;
        -- (As it is now, for another one may have been faster. Where such a limit stands, accept keeps the table.)
        IF NOT EXISTS (
            SELECT FROM gatepost.tenant t
            WHERE t.id = v_new.id AND coalesce(t.first_time_daily_cap, t.shadow_first_time_daily_cap) IS NOT NULL)
        THEN
            PERFORM gatepost.correspondent_fill(v_new.id);
        END IF;
    END LOOP;
END
$$;

ALTER FUNCTION gatepost.correspondent_prepare(gatepost.tenant[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.correspondent_prepare(gatepost.tenant[]) FROM PUBLIC;
