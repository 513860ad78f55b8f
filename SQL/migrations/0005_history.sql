-- 0005: which limits were in force when; what a proposed cap would have refused, in the ledger; a credential's events.
SET LOCAL ROLE gatepost_owner;

-- Read by the functions that tell what happened, never by accept: a message's instant finds its row.
CREATE TABLE gatepost.limit_history (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    at timestamptz NOT NULL,
    limits jsonb NOT NULL,
    PRIMARY KEY (tenant_id, credential_id, at)
);
COMMENT ON TABLE gatepost.limit_history IS
    'The limits of a tenant (credential_id 0) or a credential, from `at` until its next row. Null is unlimited. A
credential without any limit of its own has no row. What was before the first row of a tenant is not known.';

CREATE FUNCTION gatepost.tenant_limits_noted() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO gatepost.limit_history AS h (tenant_id, credential_id, at, limits)
    VALUES (NEW.id, 0, ledger.clock(), jsonb_build_object(
        'daily', NEW.daily_cap, 'window', NEW.daily_window, 'monthly', NEW.monthly_cap, 'rate', NEW.rate,
        'burst', NEW.burst, 'bytes_daily', NEW.bytes_daily_cap, 'first_time_daily', NEW.first_time_daily_cap,
        'message_size', NEW.message_size, 'recipients_per_message', NEW.recipients_per_message))
    ON CONFLICT ON CONSTRAINT limit_history_pkey DO UPDATE SET limits = excluded.limits;
    RETURN NULL;
END
$$;
CREATE FUNCTION gatepost.credential_limits_noted() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO gatepost.limit_history AS h (tenant_id, credential_id, at, limits)
    VALUES (NEW.tenant_id, NEW.id, ledger.clock(), jsonb_build_object(
        'daily', NEW.daily_cap, 'monthly', NEW.monthly_cap, 'rate', NEW.rate, 'burst', NEW.burst,
        'bytes_daily', NEW.bytes_daily_cap, 'message_size', NEW.message_size,
        'recipients_per_message', NEW.recipients_per_message))
    ON CONFLICT ON CONSTRAINT limit_history_pkey DO UPDATE SET limits = excluded.limits;
    RETURN NULL;
END
$$;
-- (Every way to change a limit goes through these rows, under the meter.)
CREATE TRIGGER limits_begun AFTER INSERT ON gatepost.tenant
    FOR EACH ROW EXECUTE FUNCTION gatepost.tenant_limits_noted();
CREATE TRIGGER limits_changed AFTER UPDATE ON gatepost.tenant FOR EACH ROW
    WHEN ((OLD.daily_cap, OLD.daily_window, OLD.monthly_cap, OLD.rate, OLD.burst, OLD.bytes_daily_cap,
           OLD.first_time_daily_cap, OLD.message_size, OLD.recipients_per_message) IS DISTINCT FROM
          (NEW.daily_cap, NEW.daily_window, NEW.monthly_cap, NEW.rate, NEW.burst, NEW.bytes_daily_cap,
           NEW.first_time_daily_cap, NEW.message_size, NEW.recipients_per_message))
    EXECUTE FUNCTION gatepost.tenant_limits_noted();
CREATE TRIGGER limits_begun AFTER INSERT ON gatepost.credential FOR EACH ROW
    WHEN (coalesce(NEW.daily_cap, NEW.monthly_cap, NEW.rate, NEW.bytes_daily_cap, NEW.message_size,
                   NEW.recipients_per_message) IS NOT NULL)
    EXECUTE FUNCTION gatepost.credential_limits_noted();
CREATE TRIGGER limits_changed AFTER UPDATE ON gatepost.credential FOR EACH ROW
    WHEN ((OLD.daily_cap, OLD.monthly_cap, OLD.rate, OLD.burst, OLD.bytes_daily_cap, OLD.message_size,
           OLD.recipients_per_message) IS DISTINCT FROM
          (NEW.daily_cap, NEW.monthly_cap, NEW.rate, NEW.burst, NEW.bytes_daily_cap, NEW.message_size,
           NEW.recipients_per_message))
    EXECUTE FUNCTION gatepost.credential_limits_noted();
-- What is in force now; of the time before nothing is said.
INSERT INTO gatepost.limit_history (tenant_id, credential_id, at, limits)
SELECT t.id, 0, clock_timestamp(), jsonb_build_object(
    'daily', t.daily_cap, 'window', t.daily_window, 'monthly', t.monthly_cap, 'rate', t.rate, 'burst', t.burst,
    'bytes_daily', t.bytes_daily_cap, 'first_time_daily', t.first_time_daily_cap, 'message_size', t.message_size,
    'recipients_per_message', t.recipients_per_message)
FROM gatepost.tenant t
UNION ALL
SELECT c.tenant_id, c.id, clock_timestamp(), jsonb_build_object(
    'daily', c.daily_cap, 'monthly', c.monthly_cap, 'rate', c.rate, 'burst', c.burst, 'bytes_daily', c.bytes_daily_cap,
    'message_size', c.message_size, 'recipients_per_message', c.recipients_per_message)
FROM gatepost.credential c
WHERE coalesce(c.daily_cap, c.monthly_cap, c.rate, c.bytes_daily_cap, c.message_size, c.recipients_per_message)
    IS NOT NULL;

ALTER TABLE gatepost.ledger ADD COLUMN shadow boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN gatepost.ledger.shadow IS
    'Of a debit: a proposed cap would have refused it, so that it counts against none of them; nor does its refund.';

-- What one credential did, without a walk through all that its tenant did.
CREATE INDEX event_credential ON gatepost.event (tenant_id, credential_id, id) WHERE credential_id IS NOT NULL;

SET LOCAL ROLE NONE;
