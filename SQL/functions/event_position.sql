-- gatepost.event_position: the two halves of a position in the events, 'xid:id'.
--   In     text or null.    Out  both null for null
--   Raises GP004 it is none.    Locks  none.    Repeat  the same.    Role  none; admin.event_* use it
CREATE OR REPLACE FUNCTION gatepost.event_position("position" text, OUT xid xid8, OUT id uuid)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF "position" !~ '^[0-9]{1,19}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN
        RAISE EXCEPTION '% is no position of an event', quote_literal(left("position", 100)) USING ERRCODE = 'GP004';
    END IF;
    xid := split_part("position", ':', 1)::xid8;
    id := split_part("position", ':', 2)::uuid;
END
$$;

ALTER FUNCTION gatepost.event_position(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.event_position(text) FROM PUBLIC;
