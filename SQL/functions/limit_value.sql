-- gatepost.limit_value: a limit out of JSON, or the sentence that says why it is none.
--   In     key, for the sentence; value; highest; nullable: null means unlimited; lowest
--   Raises GP004.    Locks  none.    Role  none; admin.* use it
DROP FUNCTION IF EXISTS gatepost.limit_value(text, jsonb, bigint, boolean);
CREATE OR REPLACE FUNCTION gatepost.limit_value(key text, value jsonb, highest bigint, nullable boolean,
    lowest bigint DEFAULT 1) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value = 'null' AND nullable THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(value) <> 'number' OR value #>> '{}' !~ '^[0-9]{1,18}$' OR (value #>> '{}')::bigint < lowest
        OR (value #>> '{}')::bigint > highest
    THEN
        RAISE EXCEPTION '% cannot be %', key, value USING ERRCODE = 'GP004',
            HINT = format('A whole number from %s to %s%s.', lowest, highest,
                CASE WHEN NOT nullable THEN ''
                     WHEN key LIKE 'shadow_%' THEN ', or none; 0 and -1 mean nothing here'
                     ELSE ', or unlimited; 0 and -1 are not taken for it' END);
    END IF;
    RETURN (value #>> '{}')::bigint;
END
$$;

ALTER FUNCTION gatepost.limit_value(text, jsonb, bigint, boolean, bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.limit_value(text, jsonb, bigint, boolean, bigint) FROM PUBLIC;
