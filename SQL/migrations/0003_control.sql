-- 0003: what operators control: plans, every limit, what a credential may do, warnings, a table of all events that
-- can be read by position, and roles that only read.
--
-- Runs once, in one transaction, as a role that may create roles (as 0001 did), or once an administrator has made
-- gatepost_viewer, gatepost_report and gatepost_report_view, and granted the last to gatepost_owner.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['gatepost_viewer', 'gatepost_report', 'gatepost_report_view'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I %s', wanted,
                    CASE wanted WHEN 'gatepost_viewer' THEN 'LOGIN' ELSE 'NOLOGIN' END);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of the same cluster was migrated at the same moment
        END;
    END LOOP;
    -- The owner makes the views of schema report, and hands them to a role that owns no table: it is under row-level
    -- security, as an owner would not be. Nobody logs in as it.
    IF NOT pg_has_role('gatepost_owner', 'gatepost_report_view', 'MEMBER') THEN
        GRANT gatepost_report_view TO gatepost_owner;
    END IF;
END
$$;

SET LOCAL ROLE gatepost_owner;

-- ---------------------------------------------------------------------------------------------------------
-- Plans. A tenant's row holds the values in force, wherever they come from: accept reads one row.
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE gatepost.plan (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    limits jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object'),
    changes bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE gatepost.plan IS 'A named set of limits, by the names that admin.tenant_set takes.';
COMMENT ON COLUMN gatepost.plan.changes IS 'Bumped by every change, so that a repeat after doubt writes too.';

ALTER TABLE gatepost.tenant
    ADD COLUMN plan_id bigint REFERENCES gatepost.plan,
    ADD COLUMN own text[] NOT NULL DEFAULT '{}',
    ADD COLUMN contact text CHECK (length(contact) BETWEEN 3 AND 320),
    ADD COLUMN shadow_daily_cap bigint CHECK (shadow_daily_cap > 0),
    ADD COLUMN shadow_monthly_cap bigint CHECK (shadow_monthly_cap > 0),
    ADD COLUMN shadow_bytes_daily_cap bigint CHECK (shadow_bytes_daily_cap > 0),
    ADD COLUMN shadow_first_time_daily_cap bigint CHECK (shadow_first_time_daily_cap > 0),
    ALTER COLUMN warn_percents SET DEFAULT '{50,80,100}';
CREATE INDEX tenant_plan ON gatepost.tenant (plan_id) WHERE plan_id IS NOT NULL;
COMMENT ON COLUMN gatepost.tenant.own IS
    'The names (of admin.tenant_set) this tenant was given values for; the others are its plan''s, or the default.';
COMMENT ON COLUMN gatepost.tenant.contact IS 'Where warnings are mailed; null: nowhere.';
COMMENT ON COLUMN gatepost.tenant.shadow_daily_cap IS
    'A proposed cap: what it would refuse is written down, and accepted. Null: none is proposed.';
COMMENT ON COLUMN gatepost.tenant.bytes_daily_cap IS 'Octets of accepted messages on a local day.';
COMMENT ON COLUMN gatepost.tenant.first_time_daily_cap IS
    'Recipients on a local day that the tenant has not sent to in 90 days.';

-- Whoever made tenants before there were plans meant what differs from the default.
UPDATE gatepost.tenant t SET own = array_remove(ARRAY[
    CASE WHEN t.daily_cap IS DISTINCT FROM 1000 THEN 'daily' END,
    CASE WHEN t.monthly_cap IS NOT NULL THEN 'monthly' END,
    CASE WHEN t.daily_window <> 'day' THEN 'window' END,
    CASE WHEN t.rate IS NOT NULL THEN 'rate' END,
    CASE WHEN t.burst IS NOT NULL THEN 'burst' END,
    CASE WHEN t.message_size <> 26214400 THEN 'message_size' END,
    CASE WHEN t.recipients_per_message <> 100 THEN 'recipients_per_message' END,
    CASE WHEN t.sessions IS DISTINCT FROM 50 THEN 'sessions' END,
    CASE WHEN t.policy <> 'defer' THEN 'policy' END,
    CASE WHEN t.partial THEN 'partial' END,
    CASE WHEN NOT t.resubmission THEN 'resubmission' END,
    CASE WHEN t.null_sender THEN 'null_sender' END,
    CASE WHEN t.warn_percents <> '{80,95}' THEN 'warn' END], NULL);
UPDATE gatepost.tenant t SET warn_percents = '{50,80,100}' WHERE t.warn_percents = '{80,95}';

-- ---------------------------------------------------------------------------------------------------------
-- What a credential may do. Null: what its tenant may.
-- ---------------------------------------------------------------------------------------------------------

ALTER TABLE gatepost.credential
    ADD COLUMN mode text NOT NULL DEFAULT 'live' CHECK (mode IN ('live', 'test')),
    ADD COLUMN not_before timestamptz,
    ADD COLUMN senders text[] CHECK (cardinality(senders) > 0),
    ADD COLUMN mechanisms text[] CHECK (cardinality(mechanisms) > 0),
    ADD COLUMN monthly_cap bigint CHECK (monthly_cap > 0),
    ADD COLUMN bytes_daily_cap bigint CHECK (bytes_daily_cap > 0),
    ADD COLUMN rate bigint CHECK (rate BETWEEN 1 AND 1000000000),
    ADD COLUMN burst bigint CHECK (burst BETWEEN 1 AND 1000000000),
    ADD COLUMN message_size bigint CHECK (message_size BETWEEN 1024 AND 268435456),
    ADD COLUMN recipients_per_message int CHECK (recipients_per_message BETWEEN 1 AND 100000),
    ADD COLUMN sessions int CHECK (sessions > 0),
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN suspended_reason text CHECK (length(suspended_reason) <= 500),
    ADD CHECK ((rate IS NULL) = (burst IS NULL));
COMMENT ON COLUMN gatepost.credential.mode IS
    'test: what it sends is accepted, counted apart (usage.period test) and never forwarded.';
COMMENT ON COLUMN gatepost.credential.senders IS
    'Addresses (local-part@domain) and domains it may send as; each within the tenant''s domains. Null: all of them.';
COMMENT ON COLUMN gatepost.credential.mechanisms IS 'SASL mechanisms it may use. Null: all that are offered.';

CREATE TABLE gatepost.credential_rate (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    debt bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
    debt_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, credential_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE gatepost.credential_rate IS
    'The bucket of a credential with a rate of its own, as gatepost.meter has the tenant''s. Under the meter only.';

ALTER TABLE gatepost.login
    ALTER COLUMN verifier DROP NOT NULL,
    ADD COLUMN certificate bytea UNIQUE CHECK (length(certificate) = 32),
    ADD CHECK ((verifier IS NULL) <> (certificate IS NULL));
COMMENT ON COLUMN gatepost.login.certificate IS
    'SHA-256 of a client certificate''s DER: this login is by TLS and SASL EXTERNAL, and has no secret.';

-- ---------------------------------------------------------------------------------------------------------
-- What is counted besides
-- ---------------------------------------------------------------------------------------------------------

ALTER TABLE gatepost.usage
    ADD COLUMN first_time bigint NOT NULL DEFAULT 0 CHECK (first_time >= 0),
    ADD COLUMN shadow_recipients bigint NOT NULL DEFAULT 0,
    ADD COLUMN shadow_bytes bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN gatepost.usage.period IS
    'day or month; starts is the local day, or the month''s first. test: a day of credentials in test mode.';
COMMENT ON COLUMN gatepost.usage.first_time IS 'Of recipients: those not sent to in 90 days. A refund takes none back.';
COMMENT ON COLUMN gatepost.usage.shadow_recipients IS
    'Of recipients: those that a proposed cap would have refused, and so do not count against it.';

ALTER TABLE gatepost.usage_hour ADD COLUMN shadow_recipients bigint NOT NULL DEFAULT 0;

CREATE TABLE gatepost.usage_domain (
    tenant_id bigint NOT NULL,
    domain text NOT NULL,
    starts date NOT NULL,
    recipients bigint NOT NULL,
    messages bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (tenant_id, domain, starts)
) WITH (fillfactor = 50);
COMMENT ON TABLE gatepost.usage_domain IS
    'What was charged, by the domain in From and by local day. For seeing, not for deciding. Under the meter only.';

CREATE TABLE gatepost.correspondent (
    tenant_id bigint NOT NULL,
    address bytea NOT NULL CHECK (length(address) = 16),
    last_day date NOT NULL,
    PRIMARY KEY (tenant_id, address)
);
CREATE INDEX correspondent_last_day ON gatepost.correspondent (last_day);
COMMENT ON TABLE gatepost.correspondent IS
    'Whom a tenant with a limit on first-time recipients has sent to: 16 octets of SHA-256 of the address, and the last
UTC day. Under the meter only; upkeep forgets what is older than 90 days.';

CREATE TABLE gatepost.warning (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    limit_name text NOT NULL,
    starts date NOT NULL,
    percent int NOT NULL CHECK (percent BETWEEN 1 AND 100),
    cap bigint NOT NULL,
    used bigint NOT NULL,
    at timestamptz NOT NULL,
    noticed_at timestamptz,
    mail_id uuid,
    PRIMARY KEY (tenant_id, credential_id, limit_name, starts, percent)
);
CREATE INDEX warning_unnoticed ON gatepost.warning (at) WHERE noticed_at IS NULL;
COMMENT ON TABLE gatepost.warning IS
    'A cap was used to so many percent: once per window and percent, whatever happens to the use afterwards. Written by
accept with its event; the first node to see it logs it, and mails it to the tenant''s contact.';

-- The ledger says what happened, also to whoever owns it.
CREATE FUNCTION gatepost.append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'gatepost.% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gatepost.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION gatepost.append_only();

-- ---------------------------------------------------------------------------------------------------------
-- Events: whatever happened, for whoever wants to know, in one table.
-- ---------------------------------------------------------------------------------------------------------

ALTER TABLE gatepost.event
    ALTER COLUMN message_id DROP NOT NULL,
    ADD COLUMN credential_id bigint,
    ADD COLUMN session uuid;
CREATE INDEX event_session ON gatepost.event (session) WHERE session IS NOT NULL;
CREATE INDEX event_position ON gatepost.event (xid, id);
CREATE INDEX event_by_message ON gatepost.event (message_id) WHERE message_id IS NOT NULL;
-- What is rare is found among what is not, and what is not pays nothing for it.
CREATE INDEX event_rare ON gatepost.event (kind, id) WHERE kind <> ALL ('{accepted,delivered}');
CREATE INDEX event_rare_tenant ON gatepost.event (tenant_id, kind, id) WHERE kind <> ALL ('{accepted,delivered}');
DROP INDEX gatepost.event_message;
COMMENT ON TABLE gatepost.event IS
    'kind: accepted, refused, would_refuse, delivered, deferred, bounced, cancelled, reported, limit_warning,
credential_changed, tenant_changed. A reader keeps (xid, id) of the last it has read, and reads in that order only what
is below pg_snapshot_xmin(pg_current_snapshot()): so it misses nothing.';
COMMENT ON COLUMN gatepost.event.message_id IS
    'The queue id; of a refusal the id that its reply names; null where no message is meant.';
COMMENT ON COLUMN gatepost.event.session IS 'The session that did it, as its log lines and replies name it.';

-- ---------------------------------------------------------------------------------------------------------
-- Who may see what
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE gatepost.report_login (
    role name PRIMARY KEY,
    tenant_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE gatepost.report_login IS
    'A database login of a tenant''s own: member of gatepost_report, and row-level security shows it its tenant only.';

CREATE SCHEMA report;
COMMENT ON SCHEMA report IS 'What a tenant''s own database login may read: its rows.';
GRANT USAGE ON SCHEMA report TO gatepost_report;
GRANT USAGE, CREATE ON SCHEMA report TO gatepost_report_view;
GRANT USAGE ON SCHEMA gatepost TO gatepost_viewer, gatepost_report_view;
-- The owner is under none of it: nothing on the way of a message pays for this.
-- (What the policies ask; functions/report_tenant_id.sql answers.)
CREATE FUNCTION report.tenant_id() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT NULL::bigint';
DO $$
DECLARE
    seen text;
BEGIN
    FOREACH seen IN ARRAY ARRAY['usage', 'usage_domain', 'outcome_hour', 'ledger', 'message', 'message_straggler',
        'recipient', 'recipient_straggler', 'event', 'sender_domain', 'credential'] LOOP
        EXECUTE format('ALTER TABLE gatepost.%I ENABLE ROW LEVEL SECURITY', seen);
        EXECUTE format('CREATE POLICY report ON gatepost.%I FOR SELECT TO gatepost_report_view
                        USING (tenant_id = (SELECT report.tenant_id()))', seen);
    END LOOP;
    ALTER TABLE gatepost.tenant ENABLE ROW LEVEL SECURITY;
    CREATE POLICY report ON gatepost.tenant FOR SELECT TO gatepost_report_view
        USING (id = (SELECT report.tenant_id()));
END
$$;
GRANT USAGE ON SCHEMA admin TO gatepost_viewer;
GRANT USAGE ON SCHEMA ledger TO gatepost_viewer;
GRANT SELECT ON gatepost.schema_file TO gatepost_viewer;

SET LOCAL ROLE NONE;
