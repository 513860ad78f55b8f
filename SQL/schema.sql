
CREATE SCHEMA admin;

CREATE SCHEMA gatepost;

CREATE SCHEMA ledger;

CREATE SCHEMA report;

CREATE TYPE ledger.verdict AS (
	id uuid,
	verdict text,
	queue_id uuid,
	limit_name text,
	cap bigint,
	used bigint,
	resets_at timestamp with time zone,
	resets_text text,
	policy text,
	detail text,
	remaining bigint,
	clock timestamp with time zone
);

CREATE FUNCTION admin.credential_certificate_add(os_user text, name text, certificate bytea, ends_at timestamp with time zone) RETURNS TABLE(login text, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_certificate_remove(os_user text, login text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_check(name text, digest bytea, logins text[], stored_keys bytea[], ip text) RETURNS TABLE(login text, matches boolean, iterations integer, salt text, obstacles text[], mechanisms text[], mode text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_issue(os_user text, slug text, name text, verifier text, digest bytea, terms jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(credential_id bigint, login_id bigint, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_issue_many(os_user text, slugs text[], names text[], verifiers text[], digests bytea[], terms text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_limits(name text) RETURNS TABLE(limit_name text, own bigint, tenant_value bigint, tenant_from text, in_force bigint, used bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_problems(slugs text[], terms text[]) RETURNS TABLE(number bigint, problem text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_resume(os_user text, name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_revoke(os_user text, name text, reason text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_rotate(os_user text, name text, verifier text, digest bytea, grace interval) RETURNS TABLE(login text, ends_at timestamp with time zone, created boolean, older text[], older_ends timestamp with time zone[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_set(os_user text, name text, changes jsonb) RETURNS TABLE(changed boolean, was jsonb, becomes jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.credential_suspend(os_user text, name text, reason text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.domain_add(os_user text, slug text, domain text, trusted boolean) RETURNS TABLE(changed boolean, token text, others text[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.domain_remove(os_user text, slug text, domain text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.domain_verified(os_user text, slug text, domain text, token text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.event_after(after text, page_size integer, slug text, credential text, of_kind text, message uuid, of_session uuid) RETURNS TABLE("position" text, matches boolean, id uuid, at timestamp with time zone, kind text, tenant text, credential_name text, message_id uuid, number integer, session uuid, reply_code integer, reply_enhanced text, reply bytea, detail text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.event_list(slug text, credential text, of_kind text, message uuid, of_session uuid, since timestamp with time zone, until timestamp with time zone, page_size integer, before text) RETURNS TABLE("position" text, id uuid, at timestamp with time zone, kind text, tenant text, credential_name text, message_id uuid, number integer, session uuid, reply_code integer, reply_enhanced text, reply bytea, detail text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.explain(username text, client text, mechanism text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], size bigint) RETURNS TABLE(stage text, rule text, value text, stands text, passes boolean, verdict text, detail text, hint text, limit_name text, cap bigint, used bigint, resets_text text, policy text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.explain_trial(username text, client text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], domains text[], size bigint) RETURNS SETOF ledger.verdict
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.health() RETURNS TABLE(clock timestamp with time zone, version integer, in_recovery boolean, fsync boolean, full_page_writes boolean, synchronous_commit text, synchronous_standby_names text, replicas bigint, synchronous_replicas bigint, partitions_until jsonb, owners bigint, oldest_renewal timestamp with time zone, pools_without_members text[], tenants_held bigint, connections_used bigint, connections_max integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.ledger_entries(slug text, since timestamp with time zone, after_message uuid, after_entry integer, page_size integer) RETURNS TABLE(message_id uuid, entry integer, credential text, day date, month date, recipients bigint, bytes bigint, reason text, at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.message_ledger(id uuid) RETURNS TABLE(tenant text, tenant_status text, credential text, entry integer, day date, month date, recipients bigint, bytes bigint, reason text, at timestamp with time zone, day_used bigint, month_used bigint, day_bytes bigint, credential_day_used bigint, limits jsonb, credential_limits jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.plan_apply(os_user text, name text, after bigint, at_most integer) RETURNS TABLE(last bigint, changed bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.plan_create(os_user text, name text, limits jsonb) RETURNS TABLE(id bigint, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.plan_delete(os_user text, name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.plan_set(os_user text, name text, changes jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.pool_create(os_user text, name text) RETURNS TABLE(id bigint, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.pool_delete(os_user text, name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.queue_list(slug text, everything boolean, at_most integer, after uuid) RETURNS TABLE(id uuid, tenant text, credential text, state text, recipients integer, live integer, size bigint, sender text, accepted_at timestamp with time zone, next_attempt timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.queue_retry(os_user text, message_id uuid, numbers integer[]) RETURNS TABLE(number integer, verdict text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.queue_show(id uuid) RETURNS TABLE(tenant text, credential text, message_state text, kind text, size bigint, sender text, from_domain text, message_id_header text, client text, helo bytea, accepted_at timestamp with time zone, body_stored boolean, number integer, address text, state text, marked boolean, leased boolean, attempts integer, next_attempt timestamp with time zone, last_attempt timestamp with time zone, final_at timestamp with time zone, reply_code integer, reply_enhanced text, reply bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.relay_add(os_user text, pool text, host text, port integer, terms jsonb DEFAULT '{}'::jsonb, secret text DEFAULT NULL::text) RETURNS TABLE(id bigint, changed boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.relay_drain(os_user text, pool text, host text, port integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.relay_remove(os_user text, pool text, host text, port integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.relay_set(os_user text, pool text, host text, port integer, terms jsonb, secret text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.suppression_add(os_user text, slug text, addresses text[], reason text, until timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.suppression_list(slug text, address text, after text, page_size integer) RETURNS TABLE(suppressed text, reason text, until timestamp with time zone, created_at timestamp with time zone, in_force boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS ...;

CREATE FUNCTION admin.suppression_remove(os_user text, slug text, addresses text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_contents(slug text) RETURNS TABLE(credentials bigint, domains bigint, messages bigint, recipients bigint, keys bigint, correspondents bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_create(os_user text, slug text, limits jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(id bigint, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_delete(os_user text, slug text) RETURNS TABLE(changed boolean, credentials bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_export(slug text, part text, after text[], at_most integer) RETURNS TABLE(key text[], line jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS ...;

CREATE FUNCTION admin.tenant_purge(os_user text, slug text, at_most integer) RETURNS TABLE(messages bigint, cancelled bigint, marked bigint, removed bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.tenant_report_login(os_user text, slug text, role text, remove boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_resume(os_user text, slug text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION admin.usage(slug text) RETURNS TABLE(scope text, limit_name text, credential text, starts date, used bigint, messages bigint, bytes bigint, cap bigint, resets_at timestamp with time zone, resets_text text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.usage_history(slug text, per text, since date, until date, split text, only_name text) RETURNS TABLE(starts date, name text, recipients bigint, messages bigint, bytes bigint, cap bigint, first_time bigint, would_refuse bigint, test bigint, delivered bigint, deferred bigint, bounced bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.usage_tenants(after text, page_size integer) RETURNS TABLE(tenant text, status text, day date, used bigint, cap bigint, month_used bigint, month_cap bigint, messages bigint, bytes bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION admin.usage_verify(slug text, from_day date, to_day date) RETURNS TABLE(tenant text, credential text, period text, starts date, what text, figure text, counter bigint, ledger bigint, stored bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS ...;

CREATE FUNCTION gatepost.append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.audited(os_user text, tenant bigint, action text, object text, detail jsonb, payload text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.cancel_recipients(tenants bigint[], ids uuid[], numbers integer[], why text, at timestamp with time zone) RETURNS TABLE(message_id uuid, number integer)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.clock() RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS ...;

CREATE FUNCTION gatepost.correspondent_fill(tenant bigint, since xid8 DEFAULT NULL::xid8) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS ...;

CREATE TABLE gatepost.tenant (
    id bigint NOT NULL,
    slug text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    reason text,
    hold_queue boolean DEFAULT false NOT NULL,
    zone text DEFAULT 'UTC'::text NOT NULL,
    next_zone text,
    next_zone_from timestamp with time zone,
    daily_cap bigint DEFAULT 1000,
    monthly_cap bigint,
    daily_window text DEFAULT 'day'::text NOT NULL,
    rate bigint,
    burst bigint,
    bytes_daily_cap bigint,
    first_time_daily_cap bigint,
    message_size bigint DEFAULT 26214400 NOT NULL,
    recipients_per_message integer DEFAULT 100 NOT NULL,
    sessions integer DEFAULT 50,
    policy text DEFAULT 'defer'::text NOT NULL,
    partial boolean DEFAULT false NOT NULL,
    resubmission boolean DEFAULT true NOT NULL,
    null_sender boolean DEFAULT false NOT NULL,
    warn_percents integer[] DEFAULT '{50,80,100}'::integer[] NOT NULL,
    pool_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    plan_id bigint,
    own text[] DEFAULT '{}'::text[] NOT NULL,
    contact text,
    shadow_daily_cap bigint,
    shadow_monthly_cap bigint,
    shadow_bytes_daily_cap bigint,
    shadow_first_time_daily_cap bigint,
    foreign_names boolean DEFAULT true NOT NULL,
    CONSTRAINT tenant_burst_check CHECK (((burst >= 1) AND (burst <= 1000000000))),
    CONSTRAINT tenant_bytes_daily_cap_check CHECK ((bytes_daily_cap > 0)),
    CONSTRAINT tenant_check CHECK (((NOT hold_queue) OR (status <> 'active'::text))),
    CONSTRAINT tenant_check1 CHECK (((rate IS NULL) = (burst IS NULL))),
    CONSTRAINT tenant_check2 CHECK (((next_zone IS NULL) = (next_zone_from IS NULL))),
    CONSTRAINT tenant_contact_check CHECK (((length(contact) >= 3) AND (length(contact) <= 320))),
    CONSTRAINT tenant_daily_cap_check CHECK ((daily_cap > 0)),
    CONSTRAINT tenant_daily_window_check CHECK ((daily_window = ANY (ARRAY['day'::text, 'rolling'::text]))),
    CONSTRAINT tenant_first_time_daily_cap_check CHECK ((first_time_daily_cap > 0)),
    CONSTRAINT tenant_message_size_check CHECK (((message_size >= 1024) AND (message_size <= 268435456))),
    CONSTRAINT tenant_monthly_cap_check CHECK ((monthly_cap > 0)),
    CONSTRAINT tenant_policy_check CHECK ((policy = ANY (ARRAY['defer'::text, 'reject'::text]))),
    CONSTRAINT tenant_rate_check CHECK (((rate >= 1) AND (rate <= 1000000000))),
    CONSTRAINT tenant_reason_check CHECK ((length(reason) <= 500)),
    CONSTRAINT tenant_recipients_per_message_check CHECK (((recipients_per_message >= 1) AND (recipients_per_message <= 100000))),
    CONSTRAINT tenant_sessions_check CHECK ((sessions > 0)),
    CONSTRAINT tenant_shadow_bytes_daily_cap_check CHECK ((shadow_bytes_daily_cap > 0)),
    CONSTRAINT tenant_shadow_daily_cap_check CHECK ((shadow_daily_cap > 0)),
    CONSTRAINT tenant_shadow_first_time_daily_cap_check CHECK ((shadow_first_time_daily_cap > 0)),
    CONSTRAINT tenant_shadow_monthly_cap_check CHECK ((shadow_monthly_cap > 0)),
    CONSTRAINT tenant_slug_check CHECK ((slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'::text)),
    CONSTRAINT tenant_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleted'::text])))
);

CREATE FUNCTION gatepost.correspondent_prepare(tenants gatepost.tenant[], OUT since xid8, OUT prepared bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE TABLE gatepost.credential (
    tenant_id bigint NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    label text,
    daily_cap bigint,
    networks cidr[],
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_reason text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    mode text DEFAULT 'live'::text NOT NULL,
    not_before timestamp with time zone,
    senders text[],
    mechanisms text[],
    monthly_cap bigint,
    bytes_daily_cap bigint,
    rate bigint,
    burst bigint,
    message_size bigint,
    recipients_per_message integer,
    sessions integer,
    suspended_at timestamp with time zone,
    suspended_reason text,
    CONSTRAINT credential_burst_check CHECK (((burst >= 1) AND (burst <= 1000000000))),
    CONSTRAINT credential_bytes_daily_cap_check CHECK ((bytes_daily_cap > 0)),
    CONSTRAINT credential_check CHECK (((rate IS NULL) = (burst IS NULL))),
    CONSTRAINT credential_daily_cap_check CHECK ((daily_cap > 0)),
    CONSTRAINT credential_label_check CHECK ((length(label) <= 200)),
    CONSTRAINT credential_mechanisms_check CHECK ((cardinality(mechanisms) > 0)),
    CONSTRAINT credential_message_size_check CHECK (((message_size >= 1024) AND (message_size <= 268435456))),
    CONSTRAINT credential_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text]))),
    CONSTRAINT credential_monthly_cap_check CHECK ((monthly_cap > 0)),
    CONSTRAINT credential_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text)),
    CONSTRAINT credential_networks_check CHECK ((cardinality(networks) > 0)),
    CONSTRAINT credential_rate_check CHECK (((rate >= 1) AND (rate <= 1000000000))),
    CONSTRAINT credential_recipients_per_message_check CHECK (((recipients_per_message >= 1) AND (recipients_per_message <= 100000))),
    CONSTRAINT credential_revoked_reason_check CHECK ((length(revoked_reason) <= 500)),
    CONSTRAINT credential_senders_check CHECK ((cardinality(senders) > 0)),
    CONSTRAINT credential_sessions_check CHECK ((sessions > 0)),
    CONSTRAINT credential_suspended_reason_check CHECK ((length(suspended_reason) <= 500))
);

CREATE FUNCTION gatepost.credential_changed(credential gatepost.credential, changes jsonb) RETURNS gatepost.credential
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.credential_limits_noted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.credential_make(os_user text, tenant bigint, slug text, name text, verifier text, digest bytea, terms jsonb) RETURNS TABLE(credential_id bigint, login_id bigint, created boolean)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.credential_named(name text) RETURNS gatepost.credential
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.credential_terms(credential gatepost.credential) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.event_bound(within timestamp with time zone, at timestamp with time zone) RETURNS xid8
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS ...;

CREATE FUNCTION gatepost.event_filter(slug text, credential text, OUT tenant_id bigint, OUT credential_id bigint) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.event_position("position" text, OUT xid xid8, OUT id uuid) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.event_restored(most integer, INOUT last uuid, OUT moved bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.first_moment(day date, zone text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.free_rows(owner uuid, at_most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.incarnation() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.instant_text(at timestamp with time zone, zone text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.limit_defaults() RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.limit_value(key text, value jsonb, highest bigint, nullable boolean, lowest bigint DEFAULT 1) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.lock_meters(tenants bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.make_partition(family text, at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS ...;

CREATE FUNCTION gatepost.move_stragglers(low uuid, high uuid, at_most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.owner_lock(owner uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.owner_locked(lock_object integer, holder integer) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.plan_id(name text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.plan_limits(limits jsonb, changes jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.pool_lock(pool text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.refund(tenant_ids bigint[], message_ids uuid[], counts integer[], why text, at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.relay_write(pool_id bigint, host text, port integer, terms jsonb, secret text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.reset(tenant bigint, at timestamp with time zone, period text, OUT resets_at timestamp with time zone, OUT resets_text text) RETURNS record
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.rolling(tenant bigint, at timestamp with time zone, cap bigint, wanted bigint, OUT used bigint, OUT resets_at timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.shell_word(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.tenant_changed(tenant gatepost.tenant, changes jsonb) RETURNS gatepost.tenant
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.tenant_id(slug text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.tenant_limits_noted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.tenant_remains(tenant bigint, at_most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION gatepost.tenant_store(old gatepost.tenant, new gatepost.tenant, at timestamp with time zone, prepared xid8 DEFAULT NULL::xid8) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION gatepost.uuid_floor(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((lpad(to_hex((floor((EXTRACT(epoch FROM at) * (1000)::numeric)))::bigint), 12, '0'::text) || '00000000000000000000'::text))::uuid;

CREATE FUNCTION gatepost.uuid_instant(id uuid) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_timestamp((((((('x'::text || translate("left"((id)::text, 13), '-'::text, ''::text)))::bit(48))::bigint)::numeric / 1000.0))::double precision);

CREATE FUNCTION gatepost.uuid_new(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    RETURN (encode(set_bit(set_bit(OVERLAY(uuid_send(gen_random_uuid()) PLACING SUBSTRING(int8send((floor((EXTRACT(epoch FROM at) * (1000)::numeric)))::bigint) FROM 3) FROM 1 FOR 6), (52)::bigint, 1), (53)::bigint, 1), 'hex'::text))::uuid;

CREATE FUNCTION ledger.accept(batch uuid, owner uuid, ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], senders text[], sender_domains text[], from_domains text[], bodies bytea[], sizes bigint[], digests bytea[], clients text[], helos bytea[], message_id_headers text[], recipient_messages integer[], recipient_addresses text[], recipient_domains text[], body_types text[] DEFAULT NULL::text[], smtputf8s boolean[] DEFAULT NULL::boolean[], rets text[] DEFAULT NULL::text[], envids text[] DEFAULT NULL::text[], recipient_notifies integer[] DEFAULT NULL::integer[], recipient_orcpts text[] DEFAULT NULL::text[], author_messages integer[] DEFAULT NULL::integer[], author_domains text[] DEFAULT NULL::text[], sessions uuid[] DEFAULT NULL::uuid[], from_messages integer[] DEFAULT NULL::integer[], from_addresses text[] DEFAULT NULL::text[]) RETURNS SETOF ledger.verdict
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS ...;

CREATE FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text, numbers integer[] DEFAULT NULL::integer[]) RETURNS TABLE(message_id uuid, number integer, verdict text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.certificate_login(certificate bytea) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.claim(owner uuid, max_messages integer, max_bytes bigint, pools bigint[] DEFAULT NULL::bigint[]) RETURNS TABLE(tenant_id bigint, tenant text, credential text, pool_id bigint, id uuid, kind text, accepted_at timestamp with time zone, size bigint, sender text, message_id_header text, client text, numbers integer[], addresses text[], domains text[], attempts integer[], content bytea, body_type text, smtputf8 boolean, ret text, envid text, notifies integer[], orcpts text[], leases integer[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_sort TO 'off'
    SET enable_incremental_sort TO 'off'
    AS ...;

CREATE FUNCTION ledger.clock() RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.credential_used(tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], clients text[], used_ats timestamp with time zone[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.login(name text) RETURNS TABLE(login_id bigint, credential_id bigint, tenant_id bigint, tenant text, credential text, pool_id bigint, verifier text, digest bytea, certificate bytea, login_valid_until timestamp with time zone, tenant_status text, tenant_reason text, credential_revoked_at timestamp with time zone, credential_revoked_reason text, credential_expires_at timestamp with time zone, credential_not_before timestamp with time zone, not_before_text text, credential_suspended_at timestamp with time zone, credential_suspended_reason text, mode text, mechanisms text[], senders text[], networks text[], message_size bigint, recipients_per_message integer, message_size_limit text, recipients_limit text, sessions integer, credential_sessions integer, policy text, partial boolean, null_sender boolean, foreign_names boolean, resubmission boolean, sender_domains text[], limit_name text, remaining bigint, cap bigint, used bigint, resets_at timestamp with time zone, resets_text text, byte_limit_name text, byte_remaining bigint, byte_cap bigint, byte_used bigint, byte_resets_at timestamp with time zone, byte_resets_text text, clock timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.owner_free(owner uuid, seen_renewals bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.owner_leases(owner uuid, most integer) RETURNS TABLE(tenant_id bigint, message_id uuid, number integer, lease integer)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    AS ...;

CREATE FUNCTION ledger.owner_reclaim(owner uuid, tenant_ids bigint[], message_ids uuid[]) RETURNS TABLE(tenant_id bigint, message_id uuid, number integer, lease integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.owner_renew(owner uuid) RETURNS TABLE(renewals bigint, locked boolean)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.owner_start(owner uuid, node text) RETURNS TABLE(lock_class integer, lock_object integer, renewals bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.owner_stop(owner uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.owners() RETURNS TABLE(id uuid, node text, renewals bigint, locked boolean, same_server boolean, renewed_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.pools() RETURNS TABLE(pool_id bigint, pool text, member_id bigint, host text, port integer, protocol text, tls text, weight integer, status text, connections integer, server_name text, username text, secret text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.recalled(owner uuid, tenants bigint[]) RETURNS TABLE(tenant_id bigint, pool_id bigint, held boolean, message_id uuid, number integer)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    AS ...;

CREATE FUNCTION ledger.refused(ids uuid[], tenant_ids bigint[], credential_ids bigint[], sessions uuid[], ats timestamp with time zone[], stages text[], codes integer[], enhanceds text[], replies text[], arguments text[], limits text[], caps text[], useds text[], resets text[], clients text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.resolve(batch uuid) RETURNS SETOF ledger.verdict
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.resubmissible(tenant_id bigint, credential_id bigint, sender text, address text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.secret(name text) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.settle(owner uuid, tenant_ids bigint[], message_ids uuid[], numbers integer[], states text[], reply_codes integer[], reply_enhanceds text[], replies bytea[], next_attempts timestamp with time zone[], report_places integer[] DEFAULT NULL::integer[], report_addresses text[] DEFAULT NULL::text[], report_domains text[] DEFAULT NULL::text[], report_bodies bytea[] DEFAULT NULL::bytea[], report_body_types text[] DEFAULT NULL::text[], report_smtputf8s boolean[] DEFAULT NULL::boolean[], leases integer[] DEFAULT NULL::integer[]) RETURNS TABLE(message_id uuid, number integer, verdict text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.suppressed(tenant_id bigint, addresses text[]) RETURNS integer[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.upkeep_cancelled(at_most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.upkeep_expired(at_most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.upkeep_orphans(at_most integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION ledger.upkeep_partitions(body_keep interval DEFAULT '24:00:00'::interval, keep interval DEFAULT '30 days'::interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE FUNCTION ledger.warning_noticed(tenant_id bigint, credential_id bigint, limit_name text, starts date, percent integer, address text DEFAULT NULL::text, domain text DEFAULT NULL::text, content bytea DEFAULT NULL::bytea, smtputf8 boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    AS ...;

CREATE FUNCTION ledger.warnings(at_most integer) RETURNS TABLE(tenant_id bigint, credential_id bigint, limit_name text, starts date, percent integer, cap bigint, used bigint, at timestamp with time zone, tenant text, credential text, contact text, resets_text text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS ...;

CREATE FUNCTION report.tenant_id() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS ...;

CREATE TABLE gatepost.audit (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    os_user text NOT NULL,
    database_user text DEFAULT SESSION_USER NOT NULL,
    tenant_id bigint,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_os_user_check CHECK ((os_user <> ''::text))
);

CREATE VIEW admin.audit AS
 SELECT a.id,
    a.at,
    a.os_user,
    a.database_user,
    t.slug AS tenant,
    a.action,
    a.object,
    a.detail
   FROM (gatepost.audit a
     LEFT JOIN gatepost.tenant t ON ((t.id = a.tenant_id)));

CREATE TABLE gatepost.credential_use (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    used_at timestamp with time zone NOT NULL,
    client inet,
    login_id bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE gatepost.login (
    tenant_id bigint NOT NULL,
    id bigint NOT NULL,
    credential_id bigint NOT NULL,
    name text NOT NULL,
    verifier text,
    digest bytea,
    valid_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    certificate bytea,
    CONSTRAINT login_certificate_check CHECK ((length(certificate) = 32)),
    CONSTRAINT login_check CHECK (((verifier IS NULL) <> (certificate IS NULL))),
    CONSTRAINT login_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT login_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'::text)),
    CONSTRAINT login_verifier_check CHECK ((verifier ~~ 'SCRAM-SHA-256$%'::text))
);

CREATE VIEW admin.credential AS
 SELECT c.id,
    c.tenant_id,
    t.slug AS tenant,
    c.name,
    c.label,
    c.mode,
    c.daily_cap,
    c.monthly_cap,
    c.bytes_daily_cap,
    c.rate,
    c.burst,
    c.message_size,
    c.recipients_per_message,
    c.sessions,
    (c.networks)::text[] AS networks,
    c.senders,
    c.mechanisms,
    c.not_before,
    c.expires_at,
    c.suspended_at,
    c.suspended_reason,
    c.revoked_at,
    c.revoked_reason,
    c.created_at,
    u.used_at,
    host(u.client) AS used_from,
    ul.name AS used_login,
    ARRAY( SELECT l.name
           FROM gatepost.login l
          WHERE ((l.tenant_id = c.tenant_id) AND (l.credential_id = c.id))
          ORDER BY l.id) AS logins
   FROM (((gatepost.credential c
     JOIN gatepost.tenant t ON ((t.id = c.tenant_id)))
     LEFT JOIN LATERAL ( SELECT q.tenant_id,
            q.credential_id,
            q.used_at,
            q.client,
            q.login_id
           FROM gatepost.credential_use q
          WHERE ((q.tenant_id = c.tenant_id) AND (q.credential_id = c.id))
          ORDER BY q.used_at DESC
         LIMIT 1) u ON (true))
     LEFT JOIN gatepost.login ul ON (((ul.tenant_id = u.tenant_id) AND (ul.id = u.login_id))));

CREATE VIEW admin.login AS
 SELECT l.id,
    c.name AS credential,
    l.name,
    l.valid_until,
    l.created_at,
    u.used_at,
    host(u.client) AS used_from,
    encode(l.certificate, 'hex'::text) AS certificate
   FROM ((gatepost.login l
     JOIN gatepost.credential c ON (((c.tenant_id = l.tenant_id) AND (c.id = l.credential_id))))
     LEFT JOIN gatepost.credential_use u ON (((u.tenant_id = l.tenant_id) AND (u.credential_id = l.credential_id) AND (u.login_id = l.id))));

CREATE TABLE gatepost.plan (
    id bigint NOT NULL,
    name text NOT NULL,
    limits jsonb DEFAULT '{}'::jsonb NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT plan_limits_check CHECK ((jsonb_typeof(limits) = 'object'::text)),
    CONSTRAINT plan_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,39}$'::text))
);

CREATE VIEW admin.plan AS
 SELECT p.id,
    p.name,
    p.limits,
    p.created_at,
    ( SELECT count(*) AS count
           FROM gatepost.tenant t
          WHERE ((t.plan_id = p.id) AND (t.status <> 'deleted'::text))) AS tenants
   FROM gatepost.plan p;

CREATE TABLE gatepost.relay (
    id bigint NOT NULL,
    pool_id bigint NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    protocol text DEFAULT 'lmtp'::text NOT NULL,
    tls text DEFAULT 'mutual'::text NOT NULL,
    weight integer DEFAULT 1 NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    connections integer,
    server_name text,
    username text,
    secret text,
    CONSTRAINT relay_connections_check CHECK (((connections >= 1) AND (connections <= 1000))),
    CONSTRAINT relay_host_check CHECK (((host <> ''::text) AND (length(host) <= 255))),
    CONSTRAINT relay_login_check CHECK (((username IS NULL) = (secret IS NULL))),
    CONSTRAINT relay_port_check CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT relay_protocol_check CHECK ((protocol = ANY (ARRAY['lmtp'::text, 'smtp'::text]))),
    CONSTRAINT relay_secret_check CHECK (((secret <> ''::text) AND (length(secret) <= 1000))),
    CONSTRAINT relay_server_name_check CHECK (((server_name <> ''::text) AND (length(server_name) <= 255))),
    CONSTRAINT relay_status_check CHECK ((status = ANY (ARRAY['active'::text, 'draining'::text]))),
    CONSTRAINT relay_tls_check CHECK ((tls = ANY (ARRAY['none'::text, 'opportunistic'::text, 'require'::text, 'verify'::text, 'mutual'::text]))),
    CONSTRAINT relay_username_check CHECK (((username <> ''::text) AND (length(username) <= 255))),
    CONSTRAINT relay_weight_check CHECK (((weight >= 1) AND (weight <= 1000)))
);

CREATE TABLE gatepost.relay_pool (
    id bigint NOT NULL,
    name text NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT relay_pool_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,39}$'::text))
);

CREATE VIEW admin.relay AS
 SELECT r.id,
    p.name AS pool,
    r.host,
    r.port,
    r.protocol,
    r.tls,
    r.weight,
    r.status,
    r.connections,
    COALESCE(r.server_name, r.host) AS server_name,
    r.username,
    r.created_at
   FROM (gatepost.relay r
     JOIN gatepost.relay_pool p ON ((p.id = r.pool_id)));

CREATE VIEW admin.relay_pool AS
 SELECT p.id,
    p.name,
    p.created_at,
    ( SELECT count(*) AS count
           FROM gatepost.relay r
          WHERE (r.pool_id = p.id)) AS members,
    ( SELECT count(*) AS count
           FROM gatepost.tenant t
          WHERE ((t.pool_id = p.id) AND (t.status <> 'deleted'::text))) AS tenants
   FROM gatepost.relay_pool p;

CREATE TABLE gatepost.sender_domain (
    tenant_id bigint NOT NULL,
    domain text NOT NULL,
    verified_at timestamp with time zone,
    verified_by text,
    token text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT sender_domain_check CHECK (((verified_at IS NULL) = (verified_by IS NULL))),
    CONSTRAINT sender_domain_domain_check CHECK (((domain = lower(domain)) AND (domain <> ''::text) AND (length(domain) <= 253))),
    CONSTRAINT sender_domain_verified_by_check CHECK ((verified_by = ANY (ARRAY['operator'::text, 'dns'::text])))
);

CREATE VIEW admin.sender_domain AS
 SELECT t.slug AS tenant,
    d.domain,
    d.verified_at,
    d.verified_by,
        CASE
            WHEN pg_has_role(CURRENT_USER, 'gatepost_admin'::name, 'USAGE'::text) THEN d.token
            ELSE NULL::text
        END AS token,
    d.created_at
   FROM (gatepost.sender_domain d
     JOIN gatepost.tenant t ON ((t.id = d.tenant_id)));

CREATE VIEW admin.tenant AS
 SELECT t.id,
    t.slug,
    t.status,
    t.reason,
    t.hold_queue,
        CASE
            WHEN (t.next_zone_from <= k.now) THEN t.next_zone
            ELSE t.zone
        END AS zone,
        CASE
            WHEN (t.next_zone_from > k.now) THEN t.next_zone
            ELSE NULL::text
        END AS next_zone,
        CASE
            WHEN (t.next_zone_from > k.now) THEN t.next_zone_from
            ELSE NULL::timestamp with time zone
        END AS next_zone_from,
    t.daily_cap,
    t.monthly_cap,
    t.rate,
    t.burst,
    t.message_size,
    t.recipients_per_message,
    t.sessions,
    t.policy,
    t.partial,
    t.resubmission,
    t.null_sender,
    t.foreign_names,
    t.warn_percents,
    p.name AS pool,
    t.created_at,
    t.daily_window,
    t.bytes_daily_cap,
    t.first_time_daily_cap,
    t.shadow_daily_cap,
    t.shadow_monthly_cap,
    t.shadow_bytes_daily_cap,
    t.shadow_first_time_daily_cap,
    t.contact,
    n.name AS plan,
    t.own,
    ARRAY( SELECT k_1.k
           FROM jsonb_object_keys(n.limits) k_1(k)
          ORDER BY k_1.k) AS plan_keys
   FROM (((gatepost.tenant t
     JOIN gatepost.relay_pool p ON ((p.id = t.pool_id)))
     LEFT JOIN gatepost.plan n ON ((n.id = t.plan_id)))
     CROSS JOIN ( SELECT ledger.clock() AS now
         OFFSET 0) k);

ALTER TABLE gatepost.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.batch (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    verdicts ledger.verdict[],
    resolved integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
ALTER TABLE ONLY gatepost.batch ALTER COLUMN verdicts SET COMPRESSION lz4;

CREATE TABLE gatepost.body (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    content bytea NOT NULL
)
PARTITION BY RANGE (message_id);
ALTER TABLE ONLY gatepost.body ALTER COLUMN content SET COMPRESSION lz4;

CREATE TABLE gatepost.body_straggler (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    content bytea NOT NULL
);
ALTER TABLE ONLY gatepost.body_straggler ALTER COLUMN content SET COMPRESSION lz4;

CREATE TABLE gatepost.cluster_secret (
    name text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE gatepost.correspondent (
    tenant_id bigint NOT NULL,
    address bytea NOT NULL,
    last_day date NOT NULL,
    CONSTRAINT correspondent_address_check CHECK ((length(address) = 16))
);

ALTER TABLE gatepost.credential ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.credential_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.credential_rate (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    debt bigint DEFAULT 0 NOT NULL,
    debt_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT credential_rate_debt_check CHECK ((debt >= 0))
)
WITH (fillfactor='50');

CREATE TABLE gatepost.drop_horizon (
    single boolean DEFAULT true NOT NULL,
    below timestamp with time zone NOT NULL,
    CONSTRAINT drop_horizon_single_check CHECK (single)
);

CREATE TABLE gatepost.event (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    message_id uuid,
    number integer,
    reply_code integer,
    reply_enhanced text,
    reply bytea,
    detail jsonb,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    credential_id bigint,
    session uuid
)
PARTITION BY RANGE (id);

CREATE TABLE gatepost.ledger (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    entry integer NOT NULL,
    credential_id bigint NOT NULL,
    day date NOT NULL,
    month date NOT NULL,
    recipients bigint NOT NULL,
    bytes bigint NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone NOT NULL,
    shadow boolean DEFAULT false NOT NULL,
    CONSTRAINT ledger_check CHECK (((recipients <> 0) AND ((recipients > 0) = (entry = 0))))
);

CREATE TABLE gatepost.limit_history (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    limits jsonb NOT NULL
);

ALTER TABLE gatepost.login ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.login_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.message (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    kind text DEFAULT 'mail'::text NOT NULL,
    credential_id bigint NOT NULL,
    login_id bigint NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    size bigint NOT NULL,
    recipients integer NOT NULL,
    client inet,
    digest bytea,
    sender text NOT NULL,
    from_domain text NOT NULL,
    helo bytea,
    message_id_header text,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    body_type text DEFAULT '8bitmime'::text NOT NULL,
    smtputf8 boolean DEFAULT false NOT NULL,
    ret text,
    envid text
)
PARTITION BY RANGE (id);

CREATE TABLE gatepost.message_straggler (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    kind text DEFAULT 'mail'::text NOT NULL,
    credential_id bigint NOT NULL,
    login_id bigint NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    size bigint NOT NULL,
    recipients integer NOT NULL,
    client inet,
    digest bytea,
    sender text NOT NULL,
    from_domain text NOT NULL,
    helo bytea,
    message_id_header text,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    body_type text DEFAULT '8bitmime'::text NOT NULL,
    smtputf8 boolean DEFAULT false NOT NULL,
    ret text,
    envid text
);

CREATE TABLE gatepost.meter (
    tenant_id bigint NOT NULL,
    debt bigint DEFAULT 0 NOT NULL,
    debt_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    changes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meter_debt_check CHECK ((debt >= 0))
)
WITH (fillfactor='50');

CREATE TABLE gatepost.outcome_hour (
    tenant_id bigint NOT NULL,
    starts timestamp with time zone NOT NULL,
    delivered bigint DEFAULT 0 NOT NULL,
    deferred bigint DEFAULT 0 NOT NULL,
    bounced bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE gatepost.owner (
    id uuid NOT NULL,
    node text NOT NULL,
    lock_object integer NOT NULL,
    renewals bigint DEFAULT 0 NOT NULL,
    renewed_at timestamp with time zone NOT NULL,
    incarnation text NOT NULL,
    started_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE gatepost.owner ALTER COLUMN lock_object ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME gatepost.owner_lock_object_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE
);

CREATE TABLE gatepost.partition_family (
    name text NOT NULL,
    width interval NOT NULL,
    CONSTRAINT partition_family_width_check CHECK (((width >= '01:00:00'::interval) AND (width <= '1 day'::interval)))
);

ALTER TABLE gatepost.plan ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.recent (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    digest bytea NOT NULL,
    message_id uuid NOT NULL,
    at timestamp with time zone NOT NULL
);

CREATE TABLE gatepost.recipient (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    number integer NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    owner_id uuid,
    next_attempt timestamp with time zone NOT NULL,
    last_attempt timestamp with time zone,
    final_at timestamp with time zone,
    state text NOT NULL,
    mark text,
    reply_code integer,
    reply_enhanced text,
    reply bytea,
    address text NOT NULL,
    domain text NOT NULL,
    notify smallint,
    orcpt text,
    lease integer
)
PARTITION BY RANGE (message_id);

CREATE TABLE gatepost.recipient_straggler (
    tenant_id bigint NOT NULL,
    message_id uuid NOT NULL,
    number integer NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    owner_id uuid,
    next_attempt timestamp with time zone NOT NULL,
    last_attempt timestamp with time zone,
    final_at timestamp with time zone,
    state text NOT NULL,
    mark text,
    reply_code integer,
    reply_enhanced text,
    reply bytea,
    address text NOT NULL,
    domain text NOT NULL,
    notify smallint,
    orcpt text,
    lease integer
);

ALTER TABLE gatepost.relay ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.relay_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE gatepost.relay_pool ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.relay_pool_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.report_login (
    role name NOT NULL,
    tenant_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE gatepost.schema_file (
    name text NOT NULL,
    checksum bytea NOT NULL,
    release text NOT NULL,
    oldest_node text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE gatepost.settle_repeat (
    owner_id uuid NOT NULL,
    repeats bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE gatepost.suppression (
    tenant_id bigint NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    until timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT suppression_address_check CHECK (((address = lower(address)) AND (address ~~ '_%@_%'::text) AND (length(address) <= 320))),
    CONSTRAINT suppression_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

ALTER TABLE gatepost.tenant ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME gatepost.tenant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE gatepost.test_clock (
    single boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT test_clock_single_check CHECK (single)
);

CREATE TABLE gatepost.usage (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    period text NOT NULL,
    starts date NOT NULL,
    recipients bigint NOT NULL,
    messages bigint NOT NULL,
    bytes bigint NOT NULL,
    first_time bigint DEFAULT 0 NOT NULL,
    shadow_recipients bigint DEFAULT 0 NOT NULL,
    shadow_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT usage_check CHECK (((recipients >= 0) AND (messages >= 0) AND (bytes >= 0))),
    CONSTRAINT usage_first_time_check CHECK ((first_time >= 0))
)
WITH (fillfactor='50');

CREATE TABLE gatepost.usage_domain (
    tenant_id bigint NOT NULL,
    domain text NOT NULL,
    starts date NOT NULL,
    recipients bigint NOT NULL,
    messages bigint NOT NULL,
    bytes bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE gatepost.usage_hour (
    tenant_id bigint NOT NULL,
    starts timestamp with time zone NOT NULL,
    recipients bigint NOT NULL,
    shadow_recipients bigint DEFAULT 0 NOT NULL,
    CONSTRAINT usage_hour_recipients_check CHECK ((recipients >= 0))
)
WITH (fillfactor='50');

CREATE TABLE gatepost.warning (
    tenant_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    limit_name text NOT NULL,
    starts date NOT NULL,
    percent integer NOT NULL,
    cap bigint NOT NULL,
    used bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    noticed_at timestamp with time zone,
    mail_id uuid,
    CONSTRAINT warning_percent_check CHECK (((percent >= 1) AND (percent <= 100)))
);

CREATE VIEW report.domain WITH (security_barrier='true') AS
 SELECT (d.domain || ''::text) AS domain,
    d.verified_at,
    d.verified_by,
    d.created_at
   FROM gatepost.sender_domain d;

CREATE VIEW report.event WITH (security_barrier='true') AS
 SELECT e.id,
    e.at,
    e.kind,
    e.message_id,
    e.number,
    (( SELECT c.name
           FROM gatepost.credential c
          WHERE ((c.tenant_id = e.tenant_id) AND (c.id = e.credential_id))) || ''::text) AS credential,
    e.session,
    e.reply_code,
    e.reply_enhanced,
    e.reply,
    (e.detail - 'by'::text) AS detail
   FROM gatepost.event e;

CREATE VIEW report.ledger WITH (security_barrier='true') AS
 SELECT l.message_id,
    l.entry,
    (( SELECT c.name
           FROM gatepost.credential c
          WHERE ((c.tenant_id = l.tenant_id) AND (c.id = l.credential_id))) || ''::text) AS credential,
    l.day,
    l.month,
    l.recipients,
    l.bytes,
    l.reason,
    l.at
   FROM gatepost.ledger l;

CREATE VIEW report.message WITH (security_barrier='true') AS
 SELECT m.id,
    m.kind,
    m.accepted_at,
    (( SELECT c.name
           FROM gatepost.credential c
          WHERE ((c.tenant_id = m.tenant_id) AND (c.id = m.credential_id))) || ''::text) AS credential,
    m.size,
    m.recipients,
    host(m.client) AS client,
    (m.sender || ''::text) AS sender,
    (m.from_domain || ''::text) AS from_domain,
    (m.message_id_header || ''::text) AS message_id_header
   FROM ( SELECT message.tenant_id,
            message.id,
            message.kind,
            message.accepted_at,
            message.credential_id,
            message.size,
            message.recipients,
            message.client,
            message.sender,
            message.from_domain,
            message.message_id_header
           FROM gatepost.message
        UNION ALL
         SELECT message_straggler.tenant_id,
            message_straggler.id,
            message_straggler.kind,
            message_straggler.accepted_at,
            message_straggler.credential_id,
            message_straggler.size,
            message_straggler.recipients,
            message_straggler.client,
            message_straggler.sender,
            message_straggler.from_domain,
            message_straggler.message_id_header
           FROM gatepost.message_straggler) m;

CREATE VIEW report.outcome WITH (security_barrier='true') AS
 SELECT o.starts,
    o.delivered,
    o.deferred,
    o.bounced
   FROM gatepost.outcome_hour o;

CREATE VIEW report.recipient WITH (security_barrier='true') AS
 SELECT r.message_id,
    r.number,
    (r.address || ''::text) AS address,
    (r.domain || ''::text) AS domain,
    r.state,
    r.attempts,
    r.next_attempt,
    r.last_attempt,
    r.final_at,
    r.reply_code,
    r.reply_enhanced,
    r.reply
   FROM ( SELECT recipient.message_id,
            recipient.number,
            recipient.address,
            recipient.domain,
            recipient.state,
            recipient.attempts,
            recipient.next_attempt,
            recipient.last_attempt,
            recipient.final_at,
            recipient.reply_code,
            recipient.reply_enhanced,
            recipient.reply
           FROM gatepost.recipient
        UNION ALL
         SELECT recipient_straggler.message_id,
            recipient_straggler.number,
            recipient_straggler.address,
            recipient_straggler.domain,
            recipient_straggler.state,
            recipient_straggler.attempts,
            recipient_straggler.next_attempt,
            recipient_straggler.last_attempt,
            recipient_straggler.final_at,
            recipient_straggler.reply_code,
            recipient_straggler.reply_enhanced,
            recipient_straggler.reply
           FROM gatepost.recipient_straggler) r;

CREATE VIEW report.tenant WITH (security_barrier='true') AS
 SELECT (t.slug || ''::text) AS tenant,
    t.status,
    t.reason,
    t.zone,
    t.daily_cap,
    t.daily_window,
    t.monthly_cap,
    t.rate,
    t.burst,
    t.bytes_daily_cap,
    t.first_time_daily_cap,
    t.message_size,
    t.recipients_per_message,
    t.sessions,
    t.policy,
    t.warn_percents
   FROM gatepost.tenant t;

CREATE VIEW report.usage WITH (security_barrier='true') AS
 SELECT u.period,
    u.starts,
    (( SELECT c.name
           FROM gatepost.credential c
          WHERE ((c.tenant_id = u.tenant_id) AND (c.id = u.credential_id))) || ''::text) AS credential,
    u.recipients,
    u.messages,
    u.bytes,
    u.first_time
   FROM gatepost.usage u;

ALTER TABLE ONLY gatepost.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.batch
    ADD CONSTRAINT batch_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.body
    ADD CONSTRAINT body_pkey PRIMARY KEY (tenant_id, message_id);

ALTER TABLE ONLY gatepost.body_straggler
    ADD CONSTRAINT body_straggler_pkey PRIMARY KEY (tenant_id, message_id);

ALTER TABLE ONLY gatepost.cluster_secret
    ADD CONSTRAINT cluster_secret_pkey PRIMARY KEY (name);

ALTER TABLE ONLY gatepost.correspondent
    ADD CONSTRAINT correspondent_pkey PRIMARY KEY (tenant_id, address);

ALTER TABLE ONLY gatepost.credential
    ADD CONSTRAINT credential_name_key UNIQUE (name);

ALTER TABLE ONLY gatepost.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY gatepost.credential_rate
    ADD CONSTRAINT credential_rate_pkey PRIMARY KEY (tenant_id, credential_id);

ALTER TABLE ONLY gatepost.credential_use
    ADD CONSTRAINT credential_use_pkey PRIMARY KEY (tenant_id, credential_id, login_id);

ALTER TABLE ONLY gatepost.drop_horizon
    ADD CONSTRAINT drop_horizon_pkey PRIMARY KEY (single);

ALTER TABLE ONLY gatepost.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY gatepost.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (tenant_id, message_id, entry);

ALTER TABLE ONLY gatepost.limit_history
    ADD CONSTRAINT limit_history_pkey PRIMARY KEY (tenant_id, credential_id, at);

ALTER TABLE ONLY gatepost.login
    ADD CONSTRAINT login_certificate_key UNIQUE (certificate);

ALTER TABLE ONLY gatepost.login
    ADD CONSTRAINT login_name_key UNIQUE (name);

ALTER TABLE ONLY gatepost.login
    ADD CONSTRAINT login_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY gatepost.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY gatepost.message_straggler
    ADD CONSTRAINT message_straggler_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY gatepost.meter
    ADD CONSTRAINT meter_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY gatepost.outcome_hour
    ADD CONSTRAINT outcome_hour_pkey PRIMARY KEY (tenant_id, starts);

ALTER TABLE ONLY gatepost.owner
    ADD CONSTRAINT owner_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.partition_family
    ADD CONSTRAINT partition_family_pkey PRIMARY KEY (name);

ALTER TABLE ONLY gatepost.plan
    ADD CONSTRAINT plan_name_key UNIQUE (name);

ALTER TABLE ONLY gatepost.plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.recent
    ADD CONSTRAINT recent_pkey PRIMARY KEY (tenant_id, credential_id, digest);

ALTER TABLE ONLY gatepost.recipient
    ADD CONSTRAINT recipient_pkey PRIMARY KEY (tenant_id, message_id, number);

ALTER TABLE ONLY gatepost.recipient_straggler
    ADD CONSTRAINT recipient_straggler_pkey PRIMARY KEY (tenant_id, message_id, number);

ALTER TABLE ONLY gatepost.relay
    ADD CONSTRAINT relay_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.relay
    ADD CONSTRAINT relay_pool_id_host_port_key UNIQUE (pool_id, host, port);

ALTER TABLE ONLY gatepost.relay_pool
    ADD CONSTRAINT relay_pool_name_key UNIQUE (name);

ALTER TABLE ONLY gatepost.relay_pool
    ADD CONSTRAINT relay_pool_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.report_login
    ADD CONSTRAINT report_login_pkey PRIMARY KEY (role);

ALTER TABLE ONLY gatepost.schema_file
    ADD CONSTRAINT schema_file_pkey PRIMARY KEY (name);

ALTER TABLE ONLY gatepost.sender_domain
    ADD CONSTRAINT sender_domain_pkey PRIMARY KEY (tenant_id, domain);

ALTER TABLE ONLY gatepost.settle_repeat
    ADD CONSTRAINT settle_repeat_pkey PRIMARY KEY (owner_id);

ALTER TABLE ONLY gatepost.suppression
    ADD CONSTRAINT suppression_pkey PRIMARY KEY (tenant_id, address);

ALTER TABLE ONLY gatepost.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY gatepost.tenant
    ADD CONSTRAINT tenant_slug_key UNIQUE (slug);

ALTER TABLE ONLY gatepost.test_clock
    ADD CONSTRAINT test_clock_pkey PRIMARY KEY (single);

ALTER TABLE ONLY gatepost.usage_domain
    ADD CONSTRAINT usage_domain_pkey PRIMARY KEY (tenant_id, domain, starts);

ALTER TABLE ONLY gatepost.usage_hour
    ADD CONSTRAINT usage_hour_pkey PRIMARY KEY (tenant_id, starts);

ALTER TABLE ONLY gatepost.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (tenant_id, credential_id, period, starts);

ALTER TABLE ONLY gatepost.warning
    ADD CONSTRAINT warning_pkey PRIMARY KEY (tenant_id, credential_id, limit_name, starts, percent);

CREATE INDEX audit_tenant ON gatepost.audit USING btree (tenant_id, id);

CREATE INDEX batch_at ON gatepost.batch USING btree (at);

CREATE INDEX correspondent_last_day ON gatepost.correspondent USING btree (last_day);

CREATE INDEX event_by_message ON ONLY gatepost.event USING btree (message_id) WHERE (message_id IS NOT NULL);

CREATE INDEX event_credential ON ONLY gatepost.event USING btree (tenant_id, credential_id, id) WHERE (credential_id IS NOT NULL);

CREATE INDEX event_position ON ONLY gatepost.event USING btree (xid, id);

CREATE INDEX event_rare ON ONLY gatepost.event USING btree (kind, id) WHERE (kind <> ALL ('{accepted,delivered}'::text[]));

CREATE INDEX event_rare_tenant ON ONLY gatepost.event USING btree (tenant_id, kind, id) WHERE (kind <> ALL ('{accepted,delivered}'::text[]));

CREATE INDEX event_session ON ONLY gatepost.event USING btree (session) WHERE (session IS NOT NULL);

CREATE INDEX login_credential ON gatepost.login USING btree (tenant_id, credential_id);

CREATE INDEX message_id ON ONLY gatepost.message USING btree (id);

CREATE INDEX message_straggler_id_idx ON gatepost.message_straggler USING btree (id);

CREATE INDEX recent_at ON gatepost.recent USING btree (at);

CREATE INDEX recipient_due ON ONLY gatepost.recipient USING btree (next_attempt) WHERE ((owner_id IS NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX recipient_due_tenant ON ONLY gatepost.recipient USING btree (tenant_id, next_attempt) WHERE ((owner_id IS NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX recipient_final ON ONLY gatepost.recipient USING brin (final_at);

CREATE INDEX recipient_lease ON ONLY gatepost.recipient USING btree (owner_id) WHERE (owner_id IS NOT NULL);

CREATE INDEX recipient_mark ON ONLY gatepost.recipient USING btree (tenant_id, message_id) WHERE ((mark IS NOT NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX recipient_straggler_due_tenant ON gatepost.recipient_straggler USING btree (tenant_id, next_attempt) WHERE ((owner_id IS NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX recipient_straggler_final_at_idx ON gatepost.recipient_straggler USING brin (final_at);

CREATE INDEX recipient_straggler_next_attempt_idx ON gatepost.recipient_straggler USING btree (next_attempt) WHERE ((owner_id IS NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX recipient_straggler_owner_id_idx ON gatepost.recipient_straggler USING btree (owner_id) WHERE (owner_id IS NOT NULL);

CREATE INDEX recipient_straggler_tenant_id_message_id_idx ON gatepost.recipient_straggler USING btree (tenant_id, message_id) WHERE ((mark IS NOT NULL) AND (state = ANY (ARRAY['queued'::text, 'deferred'::text])));

CREATE INDEX tenant_held ON gatepost.tenant USING btree (id) WHERE hold_queue;

CREATE INDEX tenant_plan ON gatepost.tenant USING btree (plan_id) WHERE (plan_id IS NOT NULL);

CREATE INDEX warning_unnoticed ON gatepost.warning USING btree (at) WHERE (noticed_at IS NULL);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON gatepost.ledger FOR EACH STATEMENT EXECUTE FUNCTION gatepost.append_only();

CREATE TRIGGER limits_begun AFTER INSERT ON gatepost.credential FOR EACH ROW WHEN ((COALESCE(new.daily_cap, new.monthly_cap, new.rate, new.bytes_daily_cap, new.message_size, (new.recipients_per_message)::bigint) IS NOT NULL)) EXECUTE FUNCTION gatepost.credential_limits_noted();

CREATE TRIGGER limits_begun AFTER INSERT ON gatepost.tenant FOR EACH ROW EXECUTE FUNCTION gatepost.tenant_limits_noted();

CREATE TRIGGER limits_changed AFTER UPDATE ON gatepost.credential FOR EACH ROW WHEN ((((((((old.daily_cap IS DISTINCT FROM new.daily_cap) OR (old.monthly_cap IS DISTINCT FROM new.monthly_cap)) OR (old.rate IS DISTINCT FROM new.rate)) OR (old.burst IS DISTINCT FROM new.burst)) OR (old.bytes_daily_cap IS DISTINCT FROM new.bytes_daily_cap)) OR (old.message_size IS DISTINCT FROM new.message_size)) OR (old.recipients_per_message IS DISTINCT FROM new.recipients_per_message))) EXECUTE FUNCTION gatepost.credential_limits_noted();

CREATE TRIGGER limits_changed AFTER UPDATE ON gatepost.tenant FOR EACH ROW WHEN ((((((((((old.daily_cap IS DISTINCT FROM new.daily_cap) OR (old.daily_window IS DISTINCT FROM new.daily_window)) OR (old.monthly_cap IS DISTINCT FROM new.monthly_cap)) OR (old.rate IS DISTINCT FROM new.rate)) OR (old.burst IS DISTINCT FROM new.burst)) OR (old.bytes_daily_cap IS DISTINCT FROM new.bytes_daily_cap)) OR (old.first_time_daily_cap IS DISTINCT FROM new.first_time_daily_cap)) OR (old.message_size IS DISTINCT FROM new.message_size)) OR (old.recipients_per_message IS DISTINCT FROM new.recipients_per_message))) EXECUTE FUNCTION gatepost.tenant_limits_noted();

ALTER TABLE ONLY gatepost.relay
    ADD CONSTRAINT relay_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES gatepost.relay_pool(id);

ALTER TABLE ONLY gatepost.tenant
    ADD CONSTRAINT tenant_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES gatepost.plan(id);

ALTER TABLE ONLY gatepost.tenant
    ADD CONSTRAINT tenant_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES gatepost.relay_pool(id);

ALTER TABLE gatepost.credential ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.event ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.ledger ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.message ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.message_straggler ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.outcome_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.recipient ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.recipient_straggler ENABLE ROW LEVEL SECURITY;

CREATE POLICY report ON gatepost.credential FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.event FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.ledger FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.message FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.message_straggler FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.outcome_hour FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.recipient FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.recipient_straggler FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.sender_domain FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.tenant FOR SELECT TO gatepost_report_view USING ((id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.usage FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

CREATE POLICY report ON gatepost.usage_domain FOR SELECT TO gatepost_report_view USING ((tenant_id = ( SELECT report.tenant_id() AS tenant_id)));

ALTER TABLE gatepost.sender_domain ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.tenant ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE gatepost.usage_domain ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA admin TO gatepost_admin;
GRANT USAGE ON SCHEMA admin TO gatepost_viewer;

GRANT USAGE ON SCHEMA gatepost TO gatepost_node;
GRANT USAGE ON SCHEMA gatepost TO gatepost_admin;
GRANT USAGE ON SCHEMA gatepost TO gatepost_viewer;
GRANT USAGE ON SCHEMA gatepost TO gatepost_report_view;

GRANT USAGE ON SCHEMA ledger TO gatepost_node;
GRANT USAGE ON SCHEMA ledger TO gatepost_admin;
GRANT USAGE ON SCHEMA ledger TO gatepost_viewer;

GRANT USAGE ON SCHEMA report TO gatepost_report;
GRANT ALL ON SCHEMA report TO gatepost_report_view;

REVOKE ALL ON FUNCTION admin.credential_certificate_add(os_user text, name text, certificate bytea, ends_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_certificate_add(os_user text, name text, certificate bytea, ends_at timestamp with time zone) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_certificate_remove(os_user text, login text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_certificate_remove(os_user text, login text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_check(name text, digest bytea, logins text[], stored_keys bytea[], ip text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_check(name text, digest bytea, logins text[], stored_keys bytea[], ip text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_issue(os_user text, slug text, name text, verifier text, digest bytea, terms jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_issue(os_user text, slug text, name text, verifier text, digest bytea, terms jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_issue_many(os_user text, slugs text[], names text[], verifiers text[], digests bytea[], terms text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_issue_many(os_user text, slugs text[], names text[], verifiers text[], digests bytea[], terms text[]) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_limits(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_limits(name text) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.credential_limits(name text) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.credential_problems(slugs text[], terms text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_problems(slugs text[], terms text[]) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_resume(os_user text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_resume(os_user text, name text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_revoke(os_user text, name text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_revoke(os_user text, name text, reason text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_rotate(os_user text, name text, verifier text, digest bytea, grace interval) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_rotate(os_user text, name text, verifier text, digest bytea, grace interval) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_set(os_user text, name text, changes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_set(os_user text, name text, changes jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.credential_suspend(os_user text, name text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.credential_suspend(os_user text, name text, reason text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.domain_add(os_user text, slug text, domain text, trusted boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.domain_add(os_user text, slug text, domain text, trusted boolean) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.domain_remove(os_user text, slug text, domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.domain_remove(os_user text, slug text, domain text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.domain_verified(os_user text, slug text, domain text, token text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.domain_verified(os_user text, slug text, domain text, token text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.event_after(after text, page_size integer, slug text, credential text, of_kind text, message uuid, of_session uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.event_after(after text, page_size integer, slug text, credential text, of_kind text, message uuid, of_session uuid) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.event_after(after text, page_size integer, slug text, credential text, of_kind text, message uuid, of_session uuid) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.event_list(slug text, credential text, of_kind text, message uuid, of_session uuid, since timestamp with time zone, until timestamp with time zone, page_size integer, before text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.event_list(slug text, credential text, of_kind text, message uuid, of_session uuid, since timestamp with time zone, until timestamp with time zone, page_size integer, before text) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.event_list(slug text, credential text, of_kind text, message uuid, of_session uuid, since timestamp with time zone, until timestamp with time zone, page_size integer, before text) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.explain(username text, client text, mechanism text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], size bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.explain(username text, client text, mechanism text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], size bigint) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.explain(username text, client text, mechanism text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], size bigint) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.explain_trial(username text, client text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], domains text[], size bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.explain_trial(username text, client text, sender text, sender_domain text, from_addresses text[], from_domains text[], addresses text[], domains text[], size bigint) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.health() FROM PUBLIC;
GRANT ALL ON FUNCTION admin.health() TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.ledger_entries(slug text, since timestamp with time zone, after_message uuid, after_entry integer, page_size integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.ledger_entries(slug text, since timestamp with time zone, after_message uuid, after_entry integer, page_size integer) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.ledger_entries(slug text, since timestamp with time zone, after_message uuid, after_entry integer, page_size integer) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.message_ledger(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.message_ledger(id uuid) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.message_ledger(id uuid) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.plan_apply(os_user text, name text, after bigint, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.plan_apply(os_user text, name text, after bigint, at_most integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.plan_create(os_user text, name text, limits jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.plan_create(os_user text, name text, limits jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.plan_delete(os_user text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.plan_delete(os_user text, name text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.plan_set(os_user text, name text, changes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.plan_set(os_user text, name text, changes jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.pool_create(os_user text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.pool_create(os_user text, name text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.pool_delete(os_user text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.pool_delete(os_user text, name text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.queue_list(slug text, everything boolean, at_most integer, after uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.queue_list(slug text, everything boolean, at_most integer, after uuid) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.queue_list(slug text, everything boolean, at_most integer, after uuid) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.queue_retry(os_user text, message_id uuid, numbers integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.queue_retry(os_user text, message_id uuid, numbers integer[]) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.queue_show(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.queue_show(id uuid) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.queue_show(id uuid) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.relay_add(os_user text, pool text, host text, port integer, terms jsonb, secret text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.relay_add(os_user text, pool text, host text, port integer, terms jsonb, secret text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.relay_drain(os_user text, pool text, host text, port integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.relay_drain(os_user text, pool text, host text, port integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.relay_remove(os_user text, pool text, host text, port integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.relay_remove(os_user text, pool text, host text, port integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.relay_set(os_user text, pool text, host text, port integer, terms jsonb, secret text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.relay_set(os_user text, pool text, host text, port integer, terms jsonb, secret text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.suppression_add(os_user text, slug text, addresses text[], reason text, until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.suppression_add(os_user text, slug text, addresses text[], reason text, until timestamp with time zone) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.suppression_list(slug text, address text, after text, page_size integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.suppression_list(slug text, address text, after text, page_size integer) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.suppression_list(slug text, address text, after text, page_size integer) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.suppression_remove(os_user text, slug text, addresses text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.suppression_remove(os_user text, slug text, addresses text[]) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_contents(slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_contents(slug text) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.tenant_contents(slug text) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.tenant_create(os_user text, slug text, limits jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_create(os_user text, slug text, limits jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_delete(os_user text, slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_delete(os_user text, slug text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_export(slug text, part text, after text[], at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_export(slug text, part text, after text[], at_most integer) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.tenant_export(slug text, part text, after text[], at_most integer) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.tenant_purge(os_user text, slug text, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_purge(os_user text, slug text, at_most integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_report_login(os_user text, slug text, role text, remove boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_report_login(os_user text, slug text, role text, remove boolean) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_resume(os_user text, slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_resume(os_user text, slug text) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.tenant_suspend(os_user text, slug text, reason text, hold boolean) TO gatepost_admin;

REVOKE ALL ON FUNCTION admin.usage(slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.usage(slug text) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.usage(slug text) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.usage_history(slug text, per text, since date, until date, split text, only_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.usage_history(slug text, per text, since date, until date, split text, only_name text) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.usage_history(slug text, per text, since date, until date, split text, only_name text) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.usage_tenants(after text, page_size integer) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.usage_tenants(after text, page_size integer) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.usage_tenants(after text, page_size integer) TO gatepost_viewer;

REVOKE ALL ON FUNCTION admin.usage_verify(slug text, from_day date, to_day date) FROM PUBLIC;
GRANT ALL ON FUNCTION admin.usage_verify(slug text, from_day date, to_day date) TO gatepost_admin;
GRANT ALL ON FUNCTION admin.usage_verify(slug text, from_day date, to_day date) TO gatepost_viewer;

REVOKE ALL ON FUNCTION gatepost.append_only() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.audited(os_user text, tenant bigint, action text, object text, detail jsonb, payload text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.cancel_recipients(tenants bigint[], ids uuid[], numbers integer[], why text, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.clock() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.correspondent_fill(tenant bigint, since xid8) FROM PUBLIC;

GRANT SELECT(id) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(slug) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(status) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(reason) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(zone) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(daily_cap) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(monthly_cap) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(daily_window) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(rate) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(burst) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(bytes_daily_cap) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(first_time_daily_cap) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(message_size) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(recipients_per_message) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(sessions) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(policy) ON TABLE gatepost.tenant TO gatepost_report_view;

GRANT SELECT(warn_percents) ON TABLE gatepost.tenant TO gatepost_report_view;

REVOKE ALL ON FUNCTION gatepost.correspondent_prepare(tenants gatepost.tenant[], OUT since xid8, OUT prepared bigint[]) FROM PUBLIC;

GRANT SELECT(tenant_id) ON TABLE gatepost.credential TO gatepost_report_view;

GRANT SELECT(id) ON TABLE gatepost.credential TO gatepost_report_view;

GRANT SELECT(name) ON TABLE gatepost.credential TO gatepost_report_view;

REVOKE ALL ON FUNCTION gatepost.credential_changed(credential gatepost.credential, changes jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.credential_limits_noted() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.credential_make(os_user text, tenant bigint, slug text, name text, verifier text, digest bytea, terms jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.credential_named(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.credential_terms(credential gatepost.credential) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.event_bound(within timestamp with time zone, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.event_filter(slug text, credential text, OUT tenant_id bigint, OUT credential_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.event_position("position" text, OUT xid xid8, OUT id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.event_restored(most integer, INOUT last uuid, OUT moved bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.first_moment(day date, zone text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.free_rows(owner uuid, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.incarnation() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.instant_text(at timestamp with time zone, zone text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.limit_defaults() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.limit_value(key text, value jsonb, highest bigint, nullable boolean, lowest bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.lock_meters(tenants bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.make_partition(family text, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.move_stragglers(low uuid, high uuid, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.owner_lock(owner uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.owner_locked(lock_object integer, holder integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.plan_id(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.plan_limits(limits jsonb, changes jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.pool_lock(pool text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.refund(tenant_ids bigint[], message_ids uuid[], counts integer[], why text, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.relay_write(pool_id bigint, host text, port integer, terms jsonb, secret text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.reset(tenant bigint, at timestamp with time zone, period text, OUT resets_at timestamp with time zone, OUT resets_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.rolling(tenant bigint, at timestamp with time zone, cap bigint, wanted bigint, OUT used bigint, OUT resets_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.shell_word(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.tenant_changed(tenant gatepost.tenant, changes jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.tenant_id(slug text) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.tenant_limits_noted() FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.tenant_remains(tenant bigint, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.tenant_store(old gatepost.tenant, new gatepost.tenant, at timestamp with time zone, prepared xid8) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.uuid_floor(at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.uuid_instant(id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION gatepost.uuid_new(at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.accept(batch uuid, owner uuid, ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], senders text[], sender_domains text[], from_domains text[], bodies bytea[], sizes bigint[], digests bytea[], clients text[], helos bytea[], message_id_headers text[], recipient_messages integer[], recipient_addresses text[], recipient_domains text[], body_types text[], smtputf8s boolean[], rets text[], envids text[], recipient_notifies integer[], recipient_orcpts text[], author_messages integer[], author_domains text[], sessions uuid[], from_messages integer[], from_addresses text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.accept(batch uuid, owner uuid, ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], senders text[], sender_domains text[], from_domains text[], bodies bytea[], sizes bigint[], digests bytea[], clients text[], helos bytea[], message_id_headers text[], recipient_messages integer[], recipient_addresses text[], recipient_domains text[], body_types text[], smtputf8s boolean[], rets text[], envids text[], recipient_notifies integer[], recipient_orcpts text[], author_messages integer[], author_domains text[], sessions uuid[], from_messages integer[], from_addresses text[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text, numbers integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text, numbers integer[]) TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.certificate_login(certificate bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.certificate_login(certificate bytea) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.claim(owner uuid, max_messages integer, max_bytes bigint, pools bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.claim(owner uuid, max_messages integer, max_bytes bigint, pools bigint[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.clock() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.clock() TO gatepost_node;
GRANT ALL ON FUNCTION ledger.clock() TO gatepost_admin;
GRANT ALL ON FUNCTION ledger.clock() TO gatepost_viewer;

REVOKE ALL ON FUNCTION ledger.credential_used(tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], clients text[], used_ats timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.credential_used(tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], clients text[], used_ats timestamp with time zone[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.login(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.login(name text) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_free(owner uuid, seen_renewals bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_free(owner uuid, seen_renewals bigint) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_leases(owner uuid, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_leases(owner uuid, most integer) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_reclaim(owner uuid, tenant_ids bigint[], message_ids uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_reclaim(owner uuid, tenant_ids bigint[], message_ids uuid[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_renew(owner uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_renew(owner uuid) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_start(owner uuid, node text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_start(owner uuid, node text) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owner_stop(owner uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owner_stop(owner uuid) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.owners() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.owners() TO gatepost_node;
GRANT ALL ON FUNCTION ledger.owners() TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.pools() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.pools() TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.recalled(owner uuid, tenants bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.recalled(owner uuid, tenants bigint[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.refused(ids uuid[], tenant_ids bigint[], credential_ids bigint[], sessions uuid[], ats timestamp with time zone[], stages text[], codes integer[], enhanceds text[], replies text[], arguments text[], limits text[], caps text[], useds text[], resets text[], clients text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.refused(ids uuid[], tenant_ids bigint[], credential_ids bigint[], sessions uuid[], ats timestamp with time zone[], stages text[], codes integer[], enhanceds text[], replies text[], arguments text[], limits text[], caps text[], useds text[], resets text[], clients text[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.resolve(batch uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.resolve(batch uuid) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.resubmissible(tenant_id bigint, credential_id bigint, sender text, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.resubmissible(tenant_id bigint, credential_id bigint, sender text, address text) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.secret(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.secret(name text) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.settle(owner uuid, tenant_ids bigint[], message_ids uuid[], numbers integer[], states text[], reply_codes integer[], reply_enhanceds text[], replies bytea[], next_attempts timestamp with time zone[], report_places integer[], report_addresses text[], report_domains text[], report_bodies bytea[], report_body_types text[], report_smtputf8s boolean[], leases integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.settle(owner uuid, tenant_ids bigint[], message_ids uuid[], numbers integer[], states text[], reply_codes integer[], reply_enhanceds text[], replies bytea[], next_attempts timestamp with time zone[], report_places integer[], report_addresses text[], report_domains text[], report_bodies bytea[], report_body_types text[], report_smtputf8s boolean[], leases integer[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.suppressed(tenant_id bigint, addresses text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.suppressed(tenant_id bigint, addresses text[]) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.upkeep_cancelled(at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.upkeep_cancelled(at_most integer) TO gatepost_node;
GRANT ALL ON FUNCTION ledger.upkeep_cancelled(at_most integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.upkeep_expired(at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.upkeep_expired(at_most integer) TO gatepost_node;
GRANT ALL ON FUNCTION ledger.upkeep_expired(at_most integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.upkeep_orphans(at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.upkeep_orphans(at_most integer) TO gatepost_node;
GRANT ALL ON FUNCTION ledger.upkeep_orphans(at_most integer) TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.upkeep_partitions(body_keep interval, keep interval) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.upkeep_partitions(body_keep interval, keep interval) TO gatepost_node;
GRANT ALL ON FUNCTION ledger.upkeep_partitions(body_keep interval, keep interval) TO gatepost_admin;

REVOKE ALL ON FUNCTION ledger.warning_noticed(tenant_id bigint, credential_id bigint, limit_name text, starts date, percent integer, address text, domain text, content bytea, smtputf8 boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.warning_noticed(tenant_id bigint, credential_id bigint, limit_name text, starts date, percent integer, address text, domain text, content bytea, smtputf8 boolean) TO gatepost_node;

REVOKE ALL ON FUNCTION ledger.warnings(at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.warnings(at_most integer) TO gatepost_node;

REVOKE ALL ON FUNCTION report.tenant_id() FROM PUBLIC;
GRANT ALL ON FUNCTION report.tenant_id() TO gatepost_report;
GRANT ALL ON FUNCTION report.tenant_id() TO gatepost_report_view;

GRANT SELECT ON TABLE admin.audit TO gatepost_admin;
GRANT SELECT ON TABLE admin.audit TO gatepost_viewer;

GRANT SELECT ON TABLE admin.credential TO gatepost_admin;
GRANT SELECT ON TABLE admin.credential TO gatepost_viewer;

GRANT SELECT ON TABLE admin.login TO gatepost_admin;
GRANT SELECT ON TABLE admin.login TO gatepost_viewer;

GRANT SELECT ON TABLE admin.plan TO gatepost_admin;
GRANT SELECT ON TABLE admin.plan TO gatepost_viewer;

GRANT SELECT ON TABLE admin.relay TO gatepost_admin;
GRANT SELECT ON TABLE admin.relay TO gatepost_viewer;

GRANT SELECT ON TABLE admin.relay_pool TO gatepost_admin;
GRANT SELECT ON TABLE admin.relay_pool TO gatepost_viewer;

GRANT SELECT(tenant_id) ON TABLE gatepost.sender_domain TO gatepost_report_view;

GRANT SELECT(domain) ON TABLE gatepost.sender_domain TO gatepost_report_view;

GRANT SELECT(verified_at) ON TABLE gatepost.sender_domain TO gatepost_report_view;

GRANT SELECT(verified_by) ON TABLE gatepost.sender_domain TO gatepost_report_view;

GRANT SELECT(created_at) ON TABLE gatepost.sender_domain TO gatepost_report_view;

GRANT SELECT ON TABLE admin.sender_domain TO gatepost_admin;
GRANT SELECT ON TABLE admin.sender_domain TO gatepost_viewer;

GRANT SELECT ON TABLE admin.tenant TO gatepost_admin;
GRANT SELECT ON TABLE admin.tenant TO gatepost_viewer;

GRANT SELECT ON TABLE gatepost.event TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.ledger TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.message TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.message_straggler TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.outcome_hour TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.recipient TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.recipient_straggler TO gatepost_report_view;

GRANT SELECT ON TABLE gatepost.schema_file TO gatepost_node;
GRANT SELECT ON TABLE gatepost.schema_file TO gatepost_admin;
GRANT SELECT ON TABLE gatepost.schema_file TO gatepost_viewer;

GRANT SELECT ON TABLE gatepost.usage TO gatepost_report_view;

GRANT SELECT ON TABLE report.domain TO gatepost_report;

GRANT SELECT ON TABLE report.event TO gatepost_report;

GRANT SELECT ON TABLE report.ledger TO gatepost_report;

GRANT SELECT ON TABLE report.message TO gatepost_report;

GRANT SELECT ON TABLE report.outcome TO gatepost_report;

GRANT SELECT ON TABLE report.recipient TO gatepost_report;

GRANT SELECT ON TABLE report.tenant TO gatepost_report;

GRANT SELECT ON TABLE report.usage TO gatepost_report;

