-- 0004: whom a tenant does not write to any more. The table was there, and empty; nothing read it.
SET LOCAL ROLE gatepost_owner;

ALTER TABLE gatepost.suppression
    ADD CHECK (address = lower(address) AND address LIKE '_%@_%' AND length(address) <= 320),
    ADD CHECK (length(reason) BETWEEN 1 AND 500);
COMMENT ON TABLE gatepost.suppression IS
    'Whom a tenant does not write to any more: accept drops them, and neither stores nor charges them.';
COMMENT ON COLUMN gatepost.suppression.address IS
    'As recipient.address has it (the domain as A-label), in small letters throughout: case tells no two people apart.';
COMMENT ON COLUMN gatepost.suppression.until IS 'Not from this instant on. Null: for good.';
COMMENT ON TABLE gatepost.event IS
    'kind: accepted, refused, resubmitted, suppressed, would_refuse, delivered, deferred, bounced, cancelled, reported,
limit_warning, credential_changed, tenant_changed. A reader keeps (xid, id) of the last it has read, and reads in that order only what
is below pg_snapshot_xmin(pg_current_snapshot()): so it misses nothing.';

SET LOCAL ROLE NONE;
