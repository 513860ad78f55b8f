-- 0001: the whole schema: roles, tables, the partitions of the first days, the cluster's secrets.
--
-- Runs once, in one transaction, as any role that may create roles and schemas (a superuser of any name, or
-- gatepost_owner itself once an administrator has made the three roles and granted CREATE on the database).
-- Everything belongs to gatepost_owner afterwards. Functions are not made here: functions/*.sql, a file each.
--
-- Keys are led by tenant_id, so that the tables can be distributed by it. Nothing on the way of a message has a
-- foreign key: accept's lock on `meter` is what keeps them together, and a key check would lock tenant rows.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['gatepost_owner', 'gatepost_admin', 'gatepost_node'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I LOGIN', wanted);  -- no password: pg_hba and the operator decide
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of the same cluster was migrated at the same moment
        END;
    END LOOP;
END
$$;

-- A migrating role that is no superuser must be able to hand things over.
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'gatepost_owner', 'MEMBER') THEN
        EXECUTE format('GRANT gatepost_owner TO %I', current_user);
    END IF;
    IF NOT has_database_privilege('gatepost_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO gatepost_owner', current_database());
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS gatepost;
CREATE SCHEMA IF NOT EXISTS ledger;
CREATE SCHEMA IF NOT EXISTS admin;
ALTER SCHEMA gatepost OWNER TO gatepost_owner;
ALTER SCHEMA ledger OWNER TO gatepost_owner;
ALTER SCHEMA admin OWNER TO gatepost_owner;
COMMENT ON SCHEMA gatepost IS 'Gatepost''s tables. Nobody but gatepost_owner writes here.';
COMMENT ON SCHEMA ledger IS 'What nodes call: accept, claim, settle, leases, look-ups.';
COMMENT ON SCHEMA admin IS 'What operators call: every change locks the meter first and leaves a line in audit.';

-- Applied migrations and functions (the migrator makes it before this file runs; dumps and tests may not).
CREATE TABLE IF NOT EXISTS gatepost.schema_file (
    name text PRIMARY KEY,
    checksum bytea NOT NULL,
    release text NOT NULL,
    oldest_node text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE gatepost.schema_file OWNER TO gatepost_owner;
COMMENT ON COLUMN gatepost.schema_file.oldest_node IS 'Oldest release of a node that may still serve on this schema.';

SET LOCAL ROLE gatepost_owner;

-- ---------------------------------------------------------------------------------------------------------
-- Time
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE gatepost.test_clock (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    at timestamptz NOT NULL
);
COMMENT ON TABLE gatepost.test_clock IS
    'A row here stops ledger.clock() at that instant. For tests: only gatepost_owner can write it.';

-- ---------------------------------------------------------------------------------------------------------
-- The directory: what operators manage
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE gatepost.relay_pool (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    changes bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN gatepost.relay_pool.changes IS 'Bumped by every change, so that a repeat after doubt writes too.';

CREATE TABLE gatepost.relay (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id bigint NOT NULL REFERENCES gatepost.relay_pool,
    host text NOT NULL CHECK (host <> '' AND length(host) <= 255),
    port int NOT NULL CHECK (port BETWEEN 1 AND 65535),
    protocol text NOT NULL DEFAULT 'lmtp' CHECK (protocol IN ('lmtp', 'smtp')),
    tls text NOT NULL DEFAULT 'mutual' CHECK (tls IN ('mutual', 'verify', 'none')),
    weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'draining')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (pool_id, host, port)
);

CREATE TABLE gatepost.tenant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleted')),
    reason text CHECK (length(reason) <= 500),
    hold_queue boolean NOT NULL DEFAULT false CHECK (NOT hold_queue OR status <> 'active'),
    zone text NOT NULL DEFAULT 'UTC',
    next_zone text,
    next_zone_from timestamptz,
    -- Limits: null is unlimited, 0 is refused (it would be a second way to suspend).
    daily_cap bigint DEFAULT 1000 CHECK (daily_cap > 0),
    monthly_cap bigint CHECK (monthly_cap > 0),
    daily_window text NOT NULL DEFAULT 'day' CHECK (daily_window IN ('day', 'rolling')),
    rate bigint CHECK (rate BETWEEN 1 AND 1000000000),
    burst bigint CHECK (burst BETWEEN 1 AND 1000000000),
    bytes_daily_cap bigint CHECK (bytes_daily_cap > 0),
    first_time_daily_cap bigint CHECK (first_time_daily_cap > 0),
    message_size bigint NOT NULL DEFAULT 26214400 CHECK (message_size BETWEEN 1024 AND 268435456),
    recipients_per_message int NOT NULL DEFAULT 100 CHECK (recipients_per_message BETWEEN 1 AND 100000),
    sessions int DEFAULT 50 CHECK (sessions > 0),
    policy text NOT NULL DEFAULT 'defer' CHECK (policy IN ('defer', 'reject')),
    partial boolean NOT NULL DEFAULT false,
    resubmission boolean NOT NULL DEFAULT true,
    null_sender boolean NOT NULL DEFAULT false,
    warn_percents int[] NOT NULL DEFAULT '{80,95}',
    pool_id bigint NOT NULL REFERENCES gatepost.relay_pool,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((rate IS NULL) = (burst IS NULL)),
    CHECK ((next_zone IS NULL) = (next_zone_from IS NULL))
);
COMMENT ON COLUMN gatepost.tenant.hold_queue IS 'While suspended, claim leaves what is queued alone too.';
COMMENT ON COLUMN gatepost.tenant.next_zone_from IS
    'next_zone counts from here on: the next midnight of the zone in force when the change was made.';
COMMENT ON COLUMN gatepost.tenant.rate IS 'Recipients a minute, with a burst; null is unlimited.';
COMMENT ON COLUMN gatepost.tenant.partial IS 'RCPT takes what still fits; at the commit a message is whole or nothing.';
COMMENT ON COLUMN gatepost.tenant.bytes_daily_cap IS 'Not enforced yet, and refused by the command line until it is.';
COMMENT ON COLUMN gatepost.tenant.first_time_daily_cap IS 'As bytes_daily_cap.';

-- The lock that decides: one row per tenant, made with it. Every accept and every administrative change takes
-- it first. `debt` is the rate's bucket: what is still to drain at `debt_at`, in units of 1/60,000,000
-- recipient, so that `rate` units drain in each microsecond and all of it is exact in integers.
CREATE TABLE gatepost.meter (
    tenant_id bigint PRIMARY KEY,
    debt bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
    debt_at timestamptz NOT NULL DEFAULT '-infinity',
    changes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON COLUMN gatepost.meter.changes IS
    'Bumped as the first statement of every administrative change: the lock, and a write even on a repeat.';

CREATE TABLE gatepost.credential (
    tenant_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
    label text CHECK (length(label) <= 200),
    daily_cap bigint CHECK (daily_cap > 0),
    networks cidr[] CHECK (cardinality(networks) > 0),
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_reason text CHECK (length(revoked_reason) <= 500),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE gatepost.login (
    tenant_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    credential_id bigint NOT NULL,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'),
    verifier text NOT NULL CHECK (verifier LIKE 'SCRAM-SHA-256$%'),
    digest bytea CHECK (length(digest) = 32),
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX login_credential ON gatepost.login (tenant_id, credential_id);
COMMENT ON TABLE gatepost.login IS
    'A secret of a credential: SCRAM needs a salt per login name, so each secret has a name of its own.';
COMMENT ON COLUMN gatepost.login.verifier IS 'RFC 5803: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.';
COMMENT ON COLUMN gatepost.login.digest IS 'SHA-256 of the secret if it was made here (178 random bits), else null.';

CREATE TABLE gatepost.credential_use (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    used_at timestamptz NOT NULL,
    client inet,
    login_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, credential_id)
) WITH (fillfactor = 70);

CREATE TABLE gatepost.sender_domain (
    tenant_id bigint NOT NULL,
    domain text NOT NULL CHECK (domain = lower(domain) AND domain <> '' AND length(domain) <= 253),
    verified_at timestamptz,
    verified_by text CHECK (verified_by IN ('operator', 'dns')),
    token text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, domain),
    CHECK ((verified_at IS NULL) = (verified_by IS NULL))
);
COMMENT ON COLUMN gatepost.sender_domain.verified_at IS 'Null: listed, not yet shown to be theirs; refused.';

CREATE TABLE gatepost.suppression (
    tenant_id bigint NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, address)
);

CREATE TABLE gatepost.cluster_secret (
    name text PRIMARY KEY,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE gatepost.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    os_user text NOT NULL CHECK (os_user <> ''),
    database_user text NOT NULL DEFAULT session_user,
    tenant_id bigint,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_tenant ON gatepost.audit (tenant_id, id);

-- ---------------------------------------------------------------------------------------------------------
-- The ledger: what is counted
-- ---------------------------------------------------------------------------------------------------------

-- credential_id 0 counts the whole tenant: no null ever shares a counter.
CREATE TABLE gatepost.usage (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    period text NOT NULL,
    starts date NOT NULL,
    recipients bigint NOT NULL,
    messages bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (tenant_id, credential_id, period, starts),
    CHECK (recipients >= 0 AND messages >= 0 AND bytes >= 0)
) WITH (fillfactor = 50);
COMMENT ON COLUMN gatepost.usage.period IS 'day or month; starts is the local day, or the month''s first.';
COMMENT ON TABLE gatepost.usage IS
    'The counters, by local day and month; a refund takes back. Touched under the meter only.';

CREATE TABLE gatepost.usage_hour (
    tenant_id bigint NOT NULL,
    starts timestamptz NOT NULL,
    recipients bigint NOT NULL CHECK (recipients >= 0),
    PRIMARY KEY (tenant_id, starts)
) WITH (fillfactor = 50);
COMMENT ON TABLE gatepost.usage_hour IS 'UTC hour buckets, kept for every tenant, for the rolling window.';

CREATE TABLE gatepost.ledger (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    entry int NOT NULL,
    credential_id bigint NOT NULL,
    day date NOT NULL,
    month date NOT NULL,
    recipients bigint NOT NULL CHECK (recipients <> 0 AND (recipients > 0) = (entry = 0)),
    bytes bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id, entry)
);
COMMENT ON TABLE gatepost.ledger IS
    'Append-only. Entry 0 is the debit of a message, later ones refund to the day, month and credential that paid.';

-- The fence. A row with verdicts is a committed batch; without, one that can never commit any more.
-- (Verdicts are ledger.verdict[]; the type is made here because a column needs it.)
CREATE TYPE ledger.verdict AS (
    id uuid,
    verdict text,
    queue_id uuid,
    limit_name text,
    cap bigint,
    used bigint,
    resets_at timestamptz,
    resets_text text,
    policy text,
    detail text,
    remaining bigint,
    clock timestamptz
);

CREATE TABLE gatepost.batch (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    verdicts ledger.verdict[] COMPRESSION lz4,
    resolved int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX batch_at ON gatepost.batch (at);

-- Resubmission keys: the first message with this credential, envelope and content.
CREATE TABLE gatepost.recent (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    digest bytea NOT NULL,
    message_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, credential_id, digest)
);
CREATE INDEX recent_at ON gatepost.recent (at);

-- ---------------------------------------------------------------------------------------------------------
-- The queue: partitioned by UUIDv7. Each family has a plain straggler table beside it.
-- ---------------------------------------------------------------------------------------------------------

CREATE TABLE gatepost.message (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL DEFAULT 'mail',
    credential_id bigint NOT NULL,
    login_id bigint NOT NULL,
    accepted_at timestamptz NOT NULL,
    size bigint NOT NULL,
    recipients int NOT NULL,
    client inet,
    digest bytea,
    sender text NOT NULL,
    from_domain text NOT NULL,
    helo bytea,
    message_id_header text,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX message_id ON gatepost.message (id);
COMMENT ON COLUMN gatepost.message.kind IS
    'mail, or dsn: made here, never charged. (No CHECK on these two tables: PostgreSQL parses it anew in each insert.)';
COMMENT ON COLUMN gatepost.message.sender IS 'The reverse-path without brackets; empty is the null path.';
COMMENT ON COLUMN gatepost.message.xid IS 'For readers in commit order: stop below pg_snapshot_xmin.';

CREATE TABLE gatepost.recipient (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    number int NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    owner_id uuid,
    next_attempt timestamptz NOT NULL,
    last_attempt timestamptz,
    final_at timestamptz,
    state text NOT NULL,
    mark text,
    reply_code int,
    reply_enhanced text,
    reply bytea,
    address text NOT NULL,
    domain text NOT NULL,
    PRIMARY KEY (tenant_id, message_id, number)
) PARTITION BY RANGE (message_id);
-- Every live recipient is in exactly one of the next two.
CREATE INDEX recipient_due ON gatepost.recipient (next_attempt)
    WHERE owner_id IS NULL AND state IN ('queued', 'deferred');
CREATE INDEX recipient_lease ON gatepost.recipient (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX recipient_mark ON gatepost.recipient (tenant_id, message_id)
    WHERE mark IS NOT NULL AND state IN ('queued', 'deferred');
CREATE INDEX recipient_final ON gatepost.recipient USING brin (final_at);
COMMENT ON COLUMN gatepost.recipient.state IS 'queued, deferred, delivered, bounced, cancelled.';
COMMENT ON COLUMN gatepost.recipient.owner_id IS 'The lease. Null: free. Leased to an absent owner: free as well.';
COMMENT ON COLUMN gatepost.recipient.mark IS 'Why it was cancelled while under way; upkeep finishes it once unleased.';

CREATE TABLE gatepost.body (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    content bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
) PARTITION BY RANGE (message_id);
ALTER TABLE gatepost.body ALTER COLUMN content SET STORAGE EXTENDED;
COMMENT ON COLUMN gatepost.body.content IS 'lz4, never pglz: pglz doubles the time accept takes.';

CREATE TABLE gatepost.event (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    message_id uuid NOT NULL,
    number int,
    reply_code int,
    reply_enhanced text,
    reply bytea,
    detail jsonb,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX event_message ON gatepost.event (tenant_id, message_id);
COMMENT ON COLUMN gatepost.event.xid IS 'Ids do not come in commit order: readers stop below pg_snapshot_xmin.';

CREATE TABLE gatepost.message_straggler (LIKE gatepost.message INCLUDING ALL);
CREATE TABLE gatepost.recipient_straggler (LIKE gatepost.recipient INCLUDING ALL);
CREATE TABLE gatepost.body_straggler (LIKE gatepost.body INCLUDING ALL);

-- Outcomes by hour, written by settle under the recipients' locks, never under the meter.
CREATE TABLE gatepost.outcome_hour (
    tenant_id bigint NOT NULL,
    starts timestamptz NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    deferred bigint NOT NULL DEFAULT 0,
    bounced bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, starts)
) WITH (fillfactor = 50);

-- What a settle leaves when nothing was left to settle, so that a repeat after doubt has written.
CREATE TABLE gatepost.settle_repeat (
    owner_id uuid PRIMARY KEY,
    repeats bigint NOT NULL
) WITH (fillfactor = 50);

-- A lease holder. `lock_object` names its session's advisory lock (class 1196445524).
CREATE TABLE gatepost.owner (
    id uuid PRIMARY KEY,
    node text NOT NULL,
    lock_object int GENERATED ALWAYS AS IDENTITY (MAXVALUE 2147483647 CYCLE) NOT NULL,
    renewals bigint NOT NULL DEFAULT 0,
    renewed_at timestamptz NOT NULL,
    incarnation text NOT NULL,
    started_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN gatepost.owner.incarnation IS
    'The server that the last renewal was written on: timeline/postmaster start.';

-- Committed before the first drop: below it stored recipients can no longer be compared with the ledger.
CREATE TABLE gatepost.drop_horizon (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    below timestamptz NOT NULL
);
INSERT INTO gatepost.drop_horizon (below) VALUES ('-infinity');

-- Three random UUIDs are 366 random bits from the server's strong generator; hashed to the size needed.
INSERT INTO gatepost.cluster_secret (name, secret)
SELECT s.name, sha256(r.a || '\x01') || CASE WHEN s.name = 'ticket' THEN sha256(r.a || '\x02') || sha256(r.a || '\x03')
       ELSE '' END
FROM (VALUES ('verifier'), ('ticket')) AS s (name),
     LATERAL (SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
              WHERE s.name IS NOT NULL) AS r (a);

INSERT INTO gatepost.relay_pool (name) VALUES ('default');

-- ---------------------------------------------------------------------------------------------------------
-- Partitions
-- ---------------------------------------------------------------------------------------------------------

-- The smallest UUIDv7 of an instant: what partition bounds and look-ups by time are made of.
-- (Stable and not strict, for what it calls is stable, and only so does the planner put it in line.)
CREATE FUNCTION gatepost.uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

-- The instant in a UUIDv7.
CREATE FUNCTION gatepost.uuid_instant(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp((('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint) / 1000.0);

-- A new UUIDv7 of an instant.
CREATE FUNCTION gatepost.uuid_new(at timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(floor(extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1),
    'hex')::uuid;

-- The families and how wide their partitions are. Bodies go first and so are cut finer.
CREATE TABLE gatepost.partition_family (
    name text PRIMARY KEY,
    width interval NOT NULL CHECK (width BETWEEN '1 hour' AND '1 day')
);
INSERT INTO gatepost.partition_family VALUES
    ('message', '1 day'), ('recipient', '1 day'), ('event', '1 day'), ('body', '6 hours');

-- The partition of a family that holds an instant: made if missing (true), or there already (false).
CREATE FUNCTION gatepost.make_partition(family text, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_width interval := (SELECT width FROM gatepost.partition_family f WHERE f.name = family);
    v_from timestamptz := date_bin(v_width, at, '2000-01-01 00:00:00+00');
    v_name text := family || '_' || to_char(v_from, 'YYYYMMDD"t"HH24');
BEGIN
    IF to_regclass('gatepost.' || v_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE gatepost.%I (LIKE gatepost.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS
                    INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING INDEXES)', v_name, family);
    EXECUTE format('ALTER TABLE gatepost.%I ATTACH PARTITION gatepost.%I FOR VALUES FROM (%L) TO (%L)',
                   family, v_name, gatepost.uuid_floor(v_from), gatepost.uuid_floor(v_from + v_width));
    RETURN true;
END
$$;

-- Yesterday's too: ids may be 60 s off, and midnight may be less than that ago.
SELECT gatepost.make_partition(f.name, g.at)
FROM gatepost.partition_family f,
     generate_series(clock_timestamp() - interval '1 day', clock_timestamp() + interval '3 days', f.width) AS g (at)
ORDER BY f.name, g.at;

-- ---------------------------------------------------------------------------------------------------------
-- Who may what: functions only. Each function's file grants itself.
-- ---------------------------------------------------------------------------------------------------------

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gatepost FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE gatepost_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO gatepost_node, gatepost_admin;
GRANT USAGE ON SCHEMA admin TO gatepost_admin;
GRANT USAGE ON SCHEMA gatepost TO gatepost_node, gatepost_admin;
GRANT SELECT ON gatepost.schema_file TO gatepost_node, gatepost_admin;

SET LOCAL ROLE NONE;
