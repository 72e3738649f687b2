-- cachekit: the fencing numbers of locks. PostgreSQL 12 or newer. Can be run again and again.

CREATE TABLE IF NOT EXISTS cachekit_fences (
    namespace varchar(64) NOT NULL,   -- of the lock
    resource  text NOT NULL,          -- what is locked
    fence     bigint NOT NULL,        -- the highest number that was shown here
    holder    bytea NOT NULL,         -- who showed it
    PRIMARY KEY (namespace, resource)
) WITH (fillfactor = 70);
