-- gatepost.shell_word: a value as a word of a command that people copy.
--   In     any text
--   Out    the text where a shell takes it as it is, else in single quotes
--   Locks  none.    Role  none; admin.* use it
CREATE OR REPLACE FUNCTION gatepost.shell_word(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN value ~ '^[A-Za-z0-9@._+=:/][A-Za-z0-9@._+=:/-]*$' THEN value
                ELSE '''' || replace(value, '''', '''\''''') || '''' END
$$;

ALTER FUNCTION gatepost.shell_word(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.shell_word(text) FROM PUBLIC;
