-- gatepost.event_filter: whose events are asked for.
--   In     slug, credential (its name): each null for any
--   Out    both null for anybody's; a deleted tenant's too
--   Raises GP002 no such tenant or credential, or the credential is another tenant's.    Locks  none
--   Repeat the same.    Role  none; admin.event_* use it
CREATE OR REPLACE FUNCTION gatepost.event_filter(slug text, credential text, OUT tenant_id bigint,
    OUT credential_id bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_of bigint;
BEGIN
    IF event_filter.slug IS NOT NULL THEN
        SELECT t.id INTO event_filter.tenant_id FROM gatepost.tenant t WHERE t.slug = event_filter.slug;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no tenant "%"', event_filter.slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
        END IF;
    END IF;
    IF event_filter.credential IS NOT NULL THEN
        SELECT c.tenant_id, c.id INTO v_of, event_filter.credential_id FROM gatepost.credential c
        WHERE c.name = event_filter.credential;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no credential "%"', event_filter.credential USING ERRCODE = 'GP002';
        END IF;
        IF event_filter.tenant_id <> v_of THEN
            RAISE EXCEPTION 'credential "%" is not of tenant "%"', event_filter.credential, event_filter.slug
                USING ERRCODE = 'GP002';
        END IF;
        event_filter.tenant_id := v_of;
    END IF;
END
$$;

ALTER FUNCTION gatepost.event_filter(text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.event_filter(text, text) FROM PUBLIC;
