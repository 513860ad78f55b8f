-- gatepost.owner_lock: this session takes an owner's advisory lock, under another number where a stranger holds it:
-- whoever may connect may lock any number, and for ever.
--   In     owner.    Out  true: held by this session now; false: another session of a node holds it
--   Locks  the advisory lock, without waiting; the owner row, if the number changes.
--   Repeat harmless.    Role  none; owner_start and owner_reclaim use it
CREATE OR REPLACE FUNCTION gatepost.owner_lock(owner uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_object int := (SELECT o.lock_object FROM gatepost.owner o WHERE o.id = owner_lock.owner);
BEGIN
    WHILE NOT gatepost.owner_locked(v_object, pg_backend_pid()) AND NOT pg_try_advisory_lock(1196445524, v_object) LOOP
        IF gatepost.owner_locked(v_object, NULL) THEN
            RETURN false;
        END IF;
        UPDATE gatepost.owner o SET lock_object = floor(random() * 2147483647)::int WHERE o.id = owner_lock.owner
        RETURNING o.lock_object INTO v_object;
    END LOOP;
    RETURN true;
END
$$;

ALTER FUNCTION gatepost.owner_lock(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.owner_lock(uuid) FROM PUBLIC;
