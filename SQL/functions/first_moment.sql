-- gatepost.first_moment: when a local day begins. Not always at 00:00: clocks may skip it or pass it twice.
--   In     day, zone.    Out  the earliest instant whose local date is that day (or a later one, if the zone left it
--          out)
--   Locks  none.    Repeat  the same.    Role  none; the ledger's functions use it
CREATE OR REPLACE FUNCTION gatepost.first_moment(day date, zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- For a time that was skipped PostgreSQL takes the offset before the gap, which gives the gap's own instant; of a
    -- time that comes twice it takes the second.
    v_guess timestamptz := day::timestamp AT TIME ZONE zone;
BEGIN
    FOR step IN -6..6 LOOP
        IF ((v_guess + step * interval '30 minutes') AT TIME ZONE zone)::date >= day THEN
            RETURN v_guess + step * interval '30 minutes';
        END IF;
    END LOOP;
    RETURN v_guess;
END
$$;

ALTER FUNCTION gatepost.first_moment(date, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.first_moment(date, text) FROM PUBLIC;
