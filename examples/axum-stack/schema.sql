CREATE TABLE IF NOT EXISTS users (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    token TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS orders (
    id    INTEGER PRIMARY KEY,
    cents INTEGER NOT NULL,
    paid  INTEGER NOT NULL DEFAULT 0,
    -- The number of the lock under which it was written last.
    fence INTEGER NOT NULL DEFAULT 0
);
INSERT OR IGNORE INTO users (id, name, token) VALUES (1, 'Ada', 'ada-token'), (2, 'Alan', 'alan-token');
INSERT OR IGNORE INTO orders (id, cents) VALUES (1, 2900), (2, 4900);
