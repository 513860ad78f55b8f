-- gatepost.limit_defaults: what a tenant has where neither it nor its plan says otherwise; its keys are what a plan may
-- have.
--   Out    by the names of admin.tenant_set; null is unlimited (of a proposal: none)
--   Locks  none.    Repeat  the same.    Role  none; admin.* use it
CREATE OR REPLACE FUNCTION gatepost.limit_defaults() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb '{"daily": 1000, "window": "day", "monthly": null, "rate": null, "burst": null, "bytes_daily": null,
        "first_time_daily": null, "message_size": 26214400, "recipients_per_message": 100, "sessions": 50,
        "policy": "defer", "partial": false, "resubmission": true, "null_sender": false, "foreign_names": true,
        "warn": [50, 80, 100], "shadow_daily": null, "shadow_monthly": null, "shadow_bytes_daily": null, "shadow_first_time_daily": null}'
$$;

ALTER FUNCTION gatepost.limit_defaults() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.limit_defaults() FROM PUBLIC;
