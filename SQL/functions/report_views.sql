-- report's views: what a tenant's own database login reads, its rows and nobody else's. Replaced whole when this file
-- changes.
--   Two locks, either of which is enough: the views belong to gatepost_report_view, which owns no table and so is under
--   the tables' row-level security (report.tenant_id() = tenant_id); and logins have no right to a table at all. No view
--   shows a tenant's number, and texts are expressions, so that EXPLAIN has no statistics of other tenants to tell.
--   Role   gatepost_report (SELECT)

DROP VIEW IF EXISTS report.tenant, report.usage, report.outcome, report.message, report.recipient, report.event,
    report.domain, report.ledger;

GRANT SELECT (id, slug, status, reason, zone, daily_cap, daily_window, monthly_cap, rate, burst, bytes_daily_cap,
    first_time_daily_cap, message_size, recipients_per_message, sessions, policy, warn_percents)
    ON gatepost.tenant TO gatepost_report_view;
GRANT SELECT (tenant_id, id, name) ON gatepost.credential TO gatepost_report_view;
GRANT SELECT ON gatepost.usage, gatepost.outcome_hour, gatepost.ledger, gatepost.message, gatepost.message_straggler,
    gatepost.recipient, gatepost.recipient_straggler, gatepost.event TO gatepost_report_view;
GRANT SELECT (tenant_id, domain, verified_at, verified_by, created_at) ON gatepost.sender_domain
    TO gatepost_report_view;

CREATE VIEW report.tenant WITH (security_barrier) AS
SELECT t.slug || '' AS tenant, t.status, t.reason, t.zone, t.daily_cap, t.daily_window, t.monthly_cap, t.rate, t.burst,
       t.bytes_daily_cap, t.first_time_daily_cap, t.message_size, t.recipients_per_message, t.sessions, t.policy,
       t.warn_percents
FROM gatepost.tenant t;

CREATE VIEW report.usage WITH (security_barrier) AS
SELECT u.period, u.starts, (SELECT c.name FROM gatepost.credential c
                            WHERE c.tenant_id = u.tenant_id AND c.id = u.credential_id) || '' AS credential,
       u.recipients, u.messages, u.bytes, u.first_time
FROM gatepost.usage u;
COMMENT ON COLUMN report.usage.credential IS 'Null: the tenant''s as a whole.';

CREATE VIEW report.outcome WITH (security_barrier) AS
SELECT o.starts, o.delivered, o.deferred, o.bounced FROM gatepost.outcome_hour o;

CREATE VIEW report.message WITH (security_barrier) AS
SELECT m.id, m.kind, m.accepted_at, (SELECT c.name FROM gatepost.credential c
                                     WHERE c.tenant_id = m.tenant_id AND c.id = m.credential_id) || '' AS credential,
       m.size, m.recipients, host(m.client) AS client, m.sender || '' AS sender, m.from_domain || '' AS from_domain,
       m.message_id_header || '' AS message_id_header
FROM (SELECT tenant_id, id, kind, accepted_at, credential_id, size, recipients, client, sender, from_domain,
             message_id_header FROM gatepost.message
      UNION ALL
      SELECT tenant_id, id, kind, accepted_at, credential_id, size, recipients, client, sender, from_domain,
             message_id_header FROM gatepost.message_straggler) AS m;

CREATE VIEW report.recipient WITH (security_barrier) AS
SELECT r.message_id, r.number, r.address || '' AS address, r.domain || '' AS domain, r.state, r.attempts, r.next_attempt,
       r.last_attempt, r.final_at, r.reply_code, r.reply_enhanced, r.reply
FROM (SELECT message_id, number, address, domain, state, attempts, next_attempt, last_attempt, final_at, reply_code,
             reply_enhanced, reply FROM gatepost.recipient
      UNION ALL
      SELECT message_id, number, address, domain, state, attempts, next_attempt, last_attempt, final_at, reply_code,
             reply_enhanced, reply FROM gatepost.recipient_straggler) AS r;

-- Without who it was that changed something: that is the operator's.
CREATE VIEW report.event WITH (security_barrier) AS
SELECT e.id, e.at, e.kind, e.message_id, e.number,
       (SELECT c.name FROM gatepost.credential c WHERE c.tenant_id = e.tenant_id AND c.id = e.credential_id)
           || '' AS credential,
       e.session, e.reply_code, e.reply_enhanced, e.reply, e.detail - 'by' AS detail
FROM gatepost.event e;

CREATE VIEW report.domain WITH (security_barrier) AS
SELECT d.domain || '' AS domain, d.verified_at, d.verified_by, d.created_at FROM gatepost.sender_domain d;

CREATE VIEW report.ledger WITH (security_barrier) AS
SELECT l.message_id, l.entry, (SELECT c.name FROM gatepost.credential c
                               WHERE c.tenant_id = l.tenant_id AND c.id = l.credential_id) || '' AS credential,
       l.day, l.month, l.recipients, l.bytes, l.reason, l.at
FROM gatepost.ledger l;

ALTER VIEW report.tenant OWNER TO gatepost_report_view;
ALTER VIEW report.usage OWNER TO gatepost_report_view;
ALTER VIEW report.outcome OWNER TO gatepost_report_view;
ALTER VIEW report.message OWNER TO gatepost_report_view;
ALTER VIEW report.recipient OWNER TO gatepost_report_view;
ALTER VIEW report.event OWNER TO gatepost_report_view;
ALTER VIEW report.domain OWNER TO gatepost_report_view;
ALTER VIEW report.ledger OWNER TO gatepost_report_view;
GRANT SELECT ON report.tenant, report.usage, report.outcome, report.message, report.recipient, report.event,
    report.domain, report.ledger TO gatepost_report;
