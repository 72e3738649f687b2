-- cachekit: the outbox. SQLite 3.35 or newer. Can be run again and again. Times are milliseconds since 1970, UTC.

CREATE TABLE IF NOT EXISTS cachekit_outbox (
    id               BLOB PRIMARY KEY NOT NULL           -- UUIDv7: the transaction that wrote the row
                     CHECK (typeof(id) = 'blob' AND length(id) = 16),
    namespace        TEXT NOT NULL DEFAULT '',           -- of the cache whose keys these are
    keys             TEXT NOT NULL DEFAULT '[]',         -- JSON, as are the next two
    tags             TEXT NOT NULL DEFAULT '[]',
    events           TEXT NOT NULL DEFAULT '[]',
    mode             INTEGER NOT NULL DEFAULT 0,
    state            INTEGER NOT NULL DEFAULT 0,         -- 0 pending, 1 done, 2 dead, 9 poison: its writer cannot commit
    created_at       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    available_at     INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1000),
    attempts         INTEGER NOT NULL DEFAULT 0,
    claimed_by       TEXT,
    claimed_until    INTEGER,
    done_at          INTEGER,
    done_incarnation TEXT,
    last_error       TEXT
);

CREATE INDEX IF NOT EXISTS cachekit_outbox_due ON cachekit_outbox (namespace, available_at) WHERE state = 0;
CREATE INDEX IF NOT EXISTS cachekit_outbox_dead ON cachekit_outbox (namespace) WHERE state = 2;
CREATE INDEX IF NOT EXISTS cachekit_outbox_age ON cachekit_outbox (namespace, created_at);

CREATE TABLE IF NOT EXISTS cachekit_epoch (
    ns    TEXT PRIMARY KEY NOT NULL,
    epoch INTEGER NOT NULL,
    inc   TEXT
);
