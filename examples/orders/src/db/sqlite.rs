//! Stock and orders in SQLite.

use cachekit::{Cache, Transaction};
use sqlx::Pool;

pub type Db = sqlx::Sqlite;

pub const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS items (
    id      INTEGER PRIMARY KEY,
    stock   INTEGER NOT NULL CHECK (stock >= 0),
    version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item INTEGER NOT NULL, quantity INTEGER NOT NULL);
INSERT OR IGNORE INTO items (id, stock) VALUES (1, 100);
";

pub const READ: &str = "SELECT stock, version FROM items WHERE id = ?";
/// Without `FOR UPDATE`, which SQLite does not have: see [`begin`].
pub const LOCK: &str = "SELECT stock FROM items WHERE id = ?";
pub const CHANGE: &str = "UPDATE items SET stock = stock + ?, version = version + 1 WHERE id = ?";
pub const CHANGE_VERSION: &str =
    "UPDATE items SET stock = stock + ?, version = version + 1 WHERE id = ? AND version = ?";
pub const ORDER: &str = "INSERT INTO orders (item, quantity) VALUES (?, ?)";

/// A transaction that reads before it writes. In SQLite it has to take the lock, which is the whole database's, at its
/// beginning: a plain `BEGIN` takes it with the first write, and fails if somebody else wrote since it read.
pub async fn begin(cache: &Cache, db: &Pool<Db>) -> sqlx::Result<Transaction<'static, Db>> {
    Ok(cache.adopt(db.begin_with("BEGIN IMMEDIATE").await?).settling_on(db))
}
