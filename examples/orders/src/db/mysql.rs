//! Stock and orders in MySQL or MariaDB.

use cachekit::{Cache, Transaction};
use sqlx::Pool;

pub type Db = sqlx::MySql;

pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS items (
    id      BIGINT PRIMARY KEY,
    stock   BIGINT NOT NULL CHECK (stock >= 0),
    version BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS orders (
    id       BIGINT AUTO_INCREMENT PRIMARY KEY,
    item     BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    FOREIGN KEY (item) REFERENCES items (id)
);
INSERT IGNORE INTO items (id, stock) VALUES (1, 100);
";

pub const READ: &str = "SELECT stock, version FROM items WHERE id = ?";
pub const LOCK: &str = "SELECT stock FROM items WHERE id = ? FOR UPDATE";
pub const CHANGE: &str = "UPDATE items SET stock = stock + ?, version = version + 1 WHERE id = ?";
pub const CHANGE_VERSION: &str =
    "UPDATE items SET stock = stock + ?, version = version + 1 WHERE id = ? AND version = ?";
pub const ORDER: &str = "INSERT INTO orders (item, quantity) VALUES (?, ?)";

/// A transaction that reads before it writes.
pub async fn begin(cache: &Cache, db: &Pool<Db>) -> sqlx::Result<Transaction<'static, Db>> {
    cache.begin(db).await
}
