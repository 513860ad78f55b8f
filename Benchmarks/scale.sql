-- For Benchmarks/scale: :tenants tenants with ten credentials each, made in a few statements. Every secret is the one of
-- the credential :'like', which was issued in the ordinary way.
SET synchronous_commit = off;
INSERT INTO gatepost.tenant (slug, daily_cap, sessions, pool_id)
SELECT 'scale-' || n, NULL, NULL, (SELECT p.id FROM gatepost.relay_pool p WHERE p.name = 'default')
FROM generate_series(1, :tenants) AS n;
INSERT INTO gatepost.meter (tenant_id) SELECT t.id FROM gatepost.tenant t ON CONFLICT DO NOTHING;
INSERT INTO gatepost.sender_domain (tenant_id, domain, verified_at, verified_by)
SELECT t.id, t.slug || '.example', clock_timestamp(), 'operator' FROM gatepost.tenant t WHERE t.slug LIKE 'scale-%';
INSERT INTO gatepost.credential (tenant_id, name)
SELECT t.id, t.slug || '.k' || n FROM gatepost.tenant t, generate_series(1, 10) AS n WHERE t.slug LIKE 'scale-%';
INSERT INTO gatepost.login (tenant_id, credential_id, name, verifier, digest)
SELECT c.tenant_id, c.id, c.name, l.verifier, l.digest
FROM gatepost.credential c, gatepost.login l WHERE c.name LIKE 'scale-%' AND l.name = :'like';
-- A day of use behind each.
INSERT INTO gatepost.usage (tenant_id, credential_id, period, starts, recipients, messages, bytes)
SELECT t.id, 0, p.period, p.starts, 10, 10, 10000 FROM gatepost.tenant t,
    (VALUES ('day', current_date - 1), ('month', date_trunc('month', now())::date)) AS p (period, starts)
WHERE t.slug LIKE 'scale-%';
VACUUM ANALYZE gatepost.tenant, gatepost.credential, gatepost.login, gatepost.meter, gatepost.sender_domain,
    gatepost.usage;
