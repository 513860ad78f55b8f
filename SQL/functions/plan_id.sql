-- gatepost.plan_id: the id behind a plan's name.
--   Raises GP002 no such plan.    Locks  none.    Role  none; admin.plan_* use it
CREATE OR REPLACE FUNCTION gatepost.plan_id(name text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := (SELECT p.id FROM gatepost.plan p WHERE p.name = plan_id.name);
BEGIN
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no plan "%"', name USING ERRCODE = 'GP002', HINT = 'gatepost plan list';
    END IF;
    RETURN v_id;
END
$$;

ALTER FUNCTION gatepost.plan_id(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.plan_id(text) FROM PUBLIC;
