//! Stock and orders in PostgreSQL.

use cachekit::{Cache, Transaction};
use sqlx::Pool;

pub type Db = sqlx::Postgres;

/// Every process runs it when it starts; the lock lets them start at once.
pub const SCHEMA: &str = "
BEGIN;
SELECT pg_advisory_xact_lock(1869767781);
CREATE TABLE IF NOT EXISTS items (
    id      bigint PRIMARY KEY,
    stock   bigint NOT NULL CHECK (stock >= 0),
    version bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS orders (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item     bigint NOT NULL REFERENCES items,
    quantity bigint NOT NULL
);
INSERT INTO items (id, stock) VALUES (1, 100) ON CONFLICT DO NOTHING;
COMMIT;
";

pub const READ: &str = "SELECT stock, version FROM items WHERE id = $1";
pub const LOCK: &str = "SELECT stock FROM items WHERE id = $1 FOR UPDATE";
pub const CHANGE: &str = "UPDATE items SET stock = stock + $1, version = version + 1 WHERE id = $2";
pub const CHANGE_VERSION: &str =
    "UPDATE items SET stock = stock + $1, version = version + 1 WHERE id = $2 AND version = $3";
pub const ORDER: &str = "INSERT INTO orders (item, quantity) VALUES ($1, $2)";

/// A transaction that reads before it writes.
pub async fn begin(cache: &Cache, db: &Pool<Db>) -> sqlx::Result<Transaction<'static, Db>> {
    cache.begin(db).await
}
