-- cachekit: the outbox. PostgreSQL 12 or newer. Can be run again and again.

CREATE TABLE IF NOT EXISTS cachekit_outbox (
    id               uuid PRIMARY KEY,           -- UUIDv7: the transaction that wrote the row
    namespace        text NOT NULL DEFAULT '',   -- of the cache whose keys these are
    keys             text[] NOT NULL DEFAULT '{}',
    tags             text[] NOT NULL DEFAULT '{}',
    events           json NOT NULL DEFAULT '[]',
    mode             smallint NOT NULL DEFAULT 0,
    state            smallint NOT NULL DEFAULT 0, -- 0 pending, 1 done, 2 dead, 9 poison: its writer cannot commit
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    available_at     timestamptz NOT NULL DEFAULT clock_timestamp() + interval '1 s',
    attempts         int NOT NULL DEFAULT 0,
    claimed_by       text,
    claimed_until    timestamptz,
    floor            pg_lsn,
    done_at          timestamptz,
    done_incarnation text,
    last_error       text
) WITH (fillfactor = 70);

CREATE INDEX IF NOT EXISTS cachekit_outbox_due ON cachekit_outbox (namespace, available_at) WHERE state = 0;
CREATE INDEX IF NOT EXISTS cachekit_outbox_dead ON cachekit_outbox (namespace) WHERE state = 2;
CREATE INDEX IF NOT EXISTS cachekit_outbox_age ON cachekit_outbox (namespace, created_at);

CREATE TABLE IF NOT EXISTS cachekit_epoch (
    ns    varchar(64) PRIMARY KEY,
    epoch bigint NOT NULL,
    inc   text
);
