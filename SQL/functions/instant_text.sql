-- gatepost.instant_text: an instant for people, ISO 8601 in a zone with its UTC offset then, full seconds rounded up.
--   In     at, zone.    Out  2026-03-30T00:00:00+02:00.    Locks  none.    Repeat  the same
--   Role   none; the ledger's functions use it
CREATE OR REPLACE FUNCTION gatepost.instant_text(at timestamptz, zone text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_at timestamptz := date_trunc('second', at + interval '999999 microseconds');
    v_minutes int := extract(epoch FROM (v_at AT TIME ZONE zone) - (v_at AT TIME ZONE 'UTC')) / 60;
BEGIN
    RETURN to_char(v_at AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS') || CASE WHEN v_minutes < 0 THEN '-' ELSE '+' END
        || to_char(abs(v_minutes) / 60, 'FM00') || ':' || to_char(abs(v_minutes) % 60, 'FM00');
END
$$;

ALTER FUNCTION gatepost.instant_text(timestamptz, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.instant_text(timestamptz, text) FROM PUBLIC;
