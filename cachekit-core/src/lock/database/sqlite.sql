-- cachekit: the fencing numbers of locks, and the locks of `SqlLock`. SQLite 3.35 or newer. Can be run again and again.

CREATE TABLE IF NOT EXISTS cachekit_fences (
    namespace  TEXT NOT NULL,                -- of the lock
    resource   TEXT NOT NULL,                -- what is locked
    fence      INTEGER NOT NULL,             -- the highest number that was shown here
    holder     BLOB NOT NULL,                -- who showed it
    held_until INTEGER NOT NULL DEFAULT 0,   -- milliseconds since 1970: until when a `SqlLock` holds it
    PRIMARY KEY (namespace, resource)
) WITHOUT ROWID;
