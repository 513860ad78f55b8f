-- 0002: what travels with a message (RFC 6152, 3030, 6531, 3461), relays of every kind, reports, a use per login.
--
-- Columns are added with constants for defaults: PostgreSQL then rewrites no row. The functions whose arguments or
-- results change are dropped here; functions/*.sql make the new ones right after.

-- `gatepost check` says whether standbys are synchronous, which PostgreSQL shows to this role's members only.
DO $$
BEGIN
    GRANT pg_read_all_stats TO gatepost_owner;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;  -- then check says that it cannot see them
END
$$;

SET LOCAL ROLE gatepost_owner;

ALTER TABLE gatepost.message
    ADD COLUMN body_type text NOT NULL DEFAULT '8bitmime',
    ADD COLUMN smtputf8 boolean NOT NULL DEFAULT false,
    ADD COLUMN ret text,
    ADD COLUMN envid text;
ALTER TABLE gatepost.message_straggler
    ADD COLUMN body_type text NOT NULL DEFAULT '8bitmime',
    ADD COLUMN smtputf8 boolean NOT NULL DEFAULT false,
    ADD COLUMN ret text,
    ADD COLUMN envid text;
COMMENT ON COLUMN gatepost.message.body_type IS '7bit, 8bitmime, binarymime: BODY of MAIL.';
COMMENT ON COLUMN gatepost.message.smtputf8 IS 'Every hop must offer SMTPUTF8.';
COMMENT ON COLUMN gatepost.message.ret IS 'full, hdrs: RET of MAIL; null: not given.';
COMMENT ON COLUMN gatepost.message.envid IS 'ENVID of MAIL, its xtext undone.';

ALTER TABLE gatepost.recipient ADD COLUMN notify smallint, ADD COLUMN orcpt text;
ALTER TABLE gatepost.recipient_straggler ADD COLUMN notify smallint, ADD COLUMN orcpt text;
COMMENT ON COLUMN gatepost.recipient.notify IS
    'NOTIFY of RCPT: 0 never, 1 success + 2 failure + 4 delay; null: not given.';
COMMENT ON COLUMN gatepost.recipient.orcpt IS 'ORCPT of RCPT as it came.';

-- For claims that leave some tenants out: what is due, tenant by tenant. Accept's rows come leased and never enter.
CREATE INDEX recipient_due_tenant ON gatepost.recipient (tenant_id, next_attempt)
    WHERE owner_id IS NULL AND state IN ('queued', 'deferred');
CREATE INDEX recipient_straggler_due_tenant ON gatepost.recipient_straggler (tenant_id, next_attempt)
    WHERE owner_id IS NULL AND state IN ('queued', 'deferred');
CREATE INDEX tenant_held ON gatepost.tenant (id) WHERE hold_queue;

ALTER TABLE gatepost.relay
    DROP CONSTRAINT relay_tls_check,
    ADD CONSTRAINT relay_tls_check CHECK (tls IN ('none', 'opportunistic', 'require', 'verify', 'mutual')),
    ADD COLUMN connections int CHECK (connections BETWEEN 1 AND 1000),
    ADD COLUMN server_name text CHECK (server_name <> '' AND length(server_name) <= 255),
    ADD COLUMN username text CHECK (username <> '' AND length(username) <= 255),
    ADD COLUMN secret text CHECK (secret <> '' AND length(secret) <= 1000),
    ADD CONSTRAINT relay_login_check CHECK ((username IS NULL) = (secret IS NULL));
COMMENT ON COLUMN gatepost.relay.connections IS 'At most, from each node; null: the node''s setting.';
COMMENT ON COLUMN gatepost.relay.server_name IS 'The name its certificate must have; null: host.';
COMMENT ON COLUMN gatepost.relay.secret IS 'For AUTH as a client. Only ledger.pools gives it, only to gatepost_node.';

-- A credential that is being rotated has two secrets: the operator must see which of them still is in use.
ALTER TABLE gatepost.credential_use
    DROP CONSTRAINT credential_use_pkey,
    ADD CONSTRAINT credential_use_pkey PRIMARY KEY (tenant_id, credential_id, login_id);

DROP FUNCTION IF EXISTS ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[], bytea[],
    bigint[], bytea[], text[], bytea[], text[], int[], text[], text[]);
DROP FUNCTION IF EXISTS ledger.claim(uuid, int, bigint);
DROP FUNCTION IF EXISTS ledger.settle(uuid, bigint[], uuid[], int[], text[], int[], text[], bytea[], timestamptz[]);
DROP FUNCTION IF EXISTS ledger.cancel(text, uuid[], text);
DROP FUNCTION IF EXISTS ledger.pools();
DROP FUNCTION IF EXISTS admin.relay_add(text, text, text, int, text, text, int);

SET LOCAL ROLE NONE;
