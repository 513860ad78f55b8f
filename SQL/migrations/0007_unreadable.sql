-- 0007: a message in the queue that cannot be sent as it is stored has an event of its own.
SET LOCAL ROLE gatepost_owner;

COMMENT ON TABLE gatepost.event IS
    'kind: accepted, refused, resubmitted, suppressed, would_refuse, delivered, deferred, bounced, cancelled, unreadable,
reported, limit_warning, credential_changed, tenant_changed. A reader keeps (xid, id) of the last it has read, and reads in that order
only what is below pg_snapshot_xmin(pg_current_snapshot()): so it misses nothing.';

SET LOCAL ROLE NONE;
