-- cachekit: the outbox. MySQL 8.0.13 or newer, MariaDB 10.6 or newer. Can be run again and again. Times are UTC.

CREATE TABLE IF NOT EXISTS cachekit_outbox (
    id               BINARY(16) NOT NULL PRIMARY KEY,     -- UUIDv7: the transaction that wrote the row
    namespace        VARCHAR(64) NOT NULL DEFAULT '',     -- of the cache whose keys these are
    `keys`           JSON NOT NULL DEFAULT ('[]'),
    tags             JSON NOT NULL DEFAULT ('[]'),
    events           JSON NOT NULL DEFAULT ('[]'),
    mode             SMALLINT NOT NULL DEFAULT 0,
    state            SMALLINT NOT NULL DEFAULT 0,         -- 0 pending, 1 done, 2 dead, 9 poison: its writer cannot commit
    created_at       DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    available_at     DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6) + INTERVAL 1 SECOND),
    attempts         INT NOT NULL DEFAULT 0,
    claimed_by       VARCHAR(64),
    claimed_until    DATETIME(6),
    done_at          DATETIME(6),
    done_incarnation VARCHAR(255),
    last_error       TEXT,
    KEY cachekit_outbox_due (namespace, state, available_at),
    KEY cachekit_outbox_age (namespace, created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS cachekit_epoch (
    ns    VARCHAR(64) NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    inc   VARCHAR(255)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
