-- 0010: whether a tenant's mail may show an address that is not its own in a display name (THREATS §6).
SET LOCAL ROLE gatepost_owner;

ALTER TABLE gatepost.tenant ADD COLUMN foreign_names boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN gatepost.tenant.foreign_names IS
    'Mail is taken although a display name or comment of its authors shows an address of a domain not its own.';

SET LOCAL ROLE NONE;
