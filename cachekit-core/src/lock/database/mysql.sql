-- cachekit: the fencing numbers of locks. MySQL 8.0.13 or newer, MariaDB 10.6 or newer. Can be run again and again.

CREATE TABLE IF NOT EXISTS cachekit_fences (
    namespace VARCHAR(64) NOT NULL,    -- of the lock
    resource  VARCHAR(255) NOT NULL,   -- what is locked
    fence     BIGINT NOT NULL,         -- the highest number that was shown here
    holder    VARBINARY(64) NOT NULL,  -- who showed it
    PRIMARY KEY (namespace, resource)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
