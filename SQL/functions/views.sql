-- admin's views: the directory as operators read it. Replaced whole when this file changes.
--   Role   gatepost_admin, gatepost_viewer (SELECT)

DROP VIEW IF EXISTS admin.tenant, admin.credential, admin.sender_domain, admin.relay_pool, admin.relay, admin.audit,
    admin.login, admin.plan;

CREATE VIEW admin.tenant AS
SELECT t.id, t.slug, t.status, t.reason, t.hold_queue,
       CASE WHEN t.next_zone_from <= k.now THEN t.next_zone ELSE t.zone END AS zone,
       CASE WHEN t.next_zone_from > k.now THEN t.next_zone END AS next_zone,
       CASE WHEN t.next_zone_from > k.now THEN t.next_zone_from END AS next_zone_from,
       t.daily_cap, t.monthly_cap, t.rate, t.burst, t.message_size, t.recipients_per_message, t.sessions,
       t.policy, t.partial, t.resubmission, t.null_sender, t.foreign_names, t.warn_percents, p.name AS pool, t.created_at,
       t.daily_window, t.bytes_daily_cap, t.first_time_daily_cap, t.shadow_daily_cap, t.shadow_monthly_cap,
       t.shadow_bytes_daily_cap, t.shadow_first_time_daily_cap, t.contact, n.name AS plan,
       -- Where each value is from: own, else the plan if it has it, else the default.
       t.own, ARRAY(SELECT k FROM jsonb_object_keys(n.limits) AS k ORDER BY k) AS plan_keys
FROM gatepost.tenant t JOIN gatepost.relay_pool p ON p.id = t.pool_id LEFT JOIN gatepost.plan n ON n.id = t.plan_id
-- (Once a query. With a volatile function in its list the view was made whole, and sorted, for each page of it.)
CROSS JOIN (SELECT ledger.clock() AS now OFFSET 0) AS k;

CREATE VIEW admin.plan AS
SELECT p.id, p.name, p.limits, p.created_at,
       (SELECT count(*) FROM gatepost.tenant t WHERE t.plan_id = p.id AND t.status <> 'deleted') AS tenants
FROM gatepost.plan p;

CREATE VIEW admin.credential AS
SELECT c.id, c.tenant_id, t.slug AS tenant, c.name, c.label, c.mode, c.daily_cap, c.monthly_cap, c.bytes_daily_cap,
       c.rate, c.burst, c.message_size, c.recipients_per_message, c.sessions, c.networks::text[] AS networks, c.senders,
       c.mechanisms, c.not_before, c.expires_at, c.suspended_at, c.suspended_reason, c.revoked_at, c.revoked_reason,
       c.created_at, u.used_at, host(u.client) AS used_from, ul.name AS used_login,
       ARRAY(SELECT l.name FROM gatepost.login l WHERE l.tenant_id = c.tenant_id AND l.credential_id = c.id
             ORDER BY l.id) AS logins
FROM gatepost.credential c
JOIN gatepost.tenant t ON t.id = c.tenant_id
LEFT JOIN LATERAL (
    SELECT q.* FROM gatepost.credential_use q WHERE q.tenant_id = c.tenant_id AND q.credential_id = c.id
    ORDER BY q.used_at DESC LIMIT 1) AS u ON true
LEFT JOIN gatepost.login ul ON ul.tenant_id = u.tenant_id AND ul.id = u.login_id;

-- A credential's secrets and certificates: their names and times, never a verifier.
CREATE VIEW admin.login AS
SELECT l.id, c.name AS credential, l.name, l.valid_until, l.created_at, u.used_at, host(u.client) AS used_from,
       encode(l.certificate, 'hex') AS certificate
FROM gatepost.login l
JOIN gatepost.credential c ON c.tenant_id = l.tenant_id AND c.id = l.credential_id
LEFT JOIN gatepost.credential_use u
    ON u.tenant_id = l.tenant_id AND u.credential_id = l.credential_id AND u.login_id = l.id;

CREATE VIEW admin.sender_domain AS
SELECT t.slug AS tenant, d.domain, d.verified_at, d.verified_by,
       -- The proof's token is for who may add domains, not for who only reads.
       CASE WHEN pg_has_role(current_user, 'gatepost_admin', 'USAGE') THEN d.token END AS token, d.created_at
FROM gatepost.sender_domain d JOIN gatepost.tenant t ON t.id = d.tenant_id;

CREATE VIEW admin.relay_pool AS
SELECT p.id, p.name, p.created_at,
       (SELECT count(*) FROM gatepost.relay r WHERE r.pool_id = p.id) AS members,
       (SELECT count(*) FROM gatepost.tenant t WHERE t.pool_id = p.id AND t.status <> 'deleted') AS tenants
FROM gatepost.relay_pool p;

CREATE VIEW admin.relay AS
SELECT r.id, p.name AS pool, r.host, r.port, r.protocol, r.tls, r.weight, r.status, r.connections,
       coalesce(r.server_name, r.host) AS server_name, r.username, r.created_at
FROM gatepost.relay r JOIN gatepost.relay_pool p ON p.id = r.pool_id;

CREATE VIEW admin.audit AS
SELECT a.id, a.at, a.os_user, a.database_user, t.slug AS tenant, a.action, a.object, a.detail
FROM gatepost.audit a LEFT JOIN gatepost.tenant t ON t.id = a.tenant_id;

ALTER VIEW admin.tenant OWNER TO gatepost_owner;
ALTER VIEW admin.credential OWNER TO gatepost_owner;
ALTER VIEW admin.sender_domain OWNER TO gatepost_owner;
ALTER VIEW admin.relay_pool OWNER TO gatepost_owner;
ALTER VIEW admin.relay OWNER TO gatepost_owner;
ALTER VIEW admin.login OWNER TO gatepost_owner;
ALTER VIEW admin.audit OWNER TO gatepost_owner;
ALTER VIEW admin.plan OWNER TO gatepost_owner;
GRANT SELECT ON admin.tenant, admin.credential, admin.login, admin.sender_domain, admin.relay_pool, admin.relay,
    admin.audit, admin.plan TO gatepost_admin, gatepost_viewer;
