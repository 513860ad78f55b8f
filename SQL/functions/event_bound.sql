-- gatepost.event_bound: about where an instant stands in the order of transactions, so that a reader of that order need not
-- walk a day. Ids and transactions come in nearly the same order: whoever uses it leaves minutes to spare.
--   In     within: in whose partition of events to look; at: the instant
--   Out    the first transaction there whose first event's id is of that instant or later; null: none
--   Locks  none.    Repeat  the same, while nothing happens.    Role  none; admin.event_list uses it
CREATE OR REPLACE FUNCTION gatepost.event_bound(within timestamptz, at timestamptz) RETURNS xid8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_width interval := (SELECT f.width FROM gatepost.partition_family f WHERE f.name = 'event');
    v_from timestamptz := date_bin(v_width, within, '2000-01-01 00:00:00+00');
    v_sought uuid := gatepost.uuid_floor(event_bound.at);
    -- With constants, so that one partition is opened and not all of them.
    v_first text := format('SELECT e.xid::text::bigint, e.id FROM gatepost.event e WHERE e.id >= %L::uuid AND e.id < %L::uuid',
        gatepost.uuid_floor(v_from), gatepost.uuid_floor(v_from + v_width));
    v_id uuid;
    v_low bigint;
    v_high bigint;
    v_middle bigint;
BEGIN
    EXECUTE v_first || ' ORDER BY e.xid DESC, e.id DESC LIMIT 1' INTO v_high, v_id;
    IF v_id IS NULL OR v_id < v_sought THEN
        RETURN NULL;
    END IF;
    EXECUTE v_first || ' ORDER BY e.xid, e.id LIMIT 1' INTO v_low, v_id;
    IF v_id >= v_sought THEN
        RETURN v_low::text::xid8;
    END IF;
    WHILE v_high - v_low > 1 LOOP
        v_middle := v_low + (v_high - v_low) / 2;
        EXECUTE format('SELECT q.id FROM (%s AND e.xid >= %L::xid8 ORDER BY e.xid, e.id LIMIT 1) AS q', v_first, v_middle)
            INTO v_id;
        IF v_id >= v_sought THEN
            v_high := v_middle;
        ELSE
            v_low := v_middle;
        END IF;
    END LOOP;
    RETURN v_high::text::xid8;
END
$$;

ALTER FUNCTION gatepost.event_bound(timestamptz, timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.event_bound(timestamptz, timestamptz) FROM PUBLIC;
