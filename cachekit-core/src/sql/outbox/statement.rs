//! The statement that writes a row, for those who send it themselves.

use super::OutboxRow;

/// A kind of database, for [`OutboxRow::sql`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl OutboxRow {
    /// The statement that writes a row, with five parameters.
    ///
    /// | | PostgreSQL | MySQL, SQLite |
    /// |---|---|---|
    /// | 1 | `row.id.to_string()` | `row.id.as_bytes()`, binary |
    /// | 2 | `row.namespace` | the same |
    /// | 3 | `row.keys_json()` | the same |
    /// | 4 | `row.events_json()` | the same |
    /// | 5 | `row.respite_ms()`, 64 bits | the same |
    #[must_use]
    pub const fn sql(dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => {
                "INSERT INTO cachekit_outbox (id, namespace, keys, events, available_at) VALUES \
                 ($1::text::uuid, $2, ARRAY(SELECT json_array_elements_text($3::text::json)), \
                 $4::text::json, clock_timestamp() + $5 * interval '1 millisecond')"
            }
            Dialect::MySql => {
                "INSERT INTO cachekit_outbox (id, namespace, `keys`, events, available_at) VALUES \
                 (?, ?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? * 1000 MICROSECOND)"
            }
            Dialect::Sqlite => {
                "INSERT INTO cachekit_outbox (id, namespace, keys, events, available_at) VALUES \
                 (?, ?, ?, ?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?)"
            }
        }
    }

    /// How many milliseconds a relay leaves the row to the process that wrote it.
    #[must_use]
    pub fn respite_ms(&self) -> i64 {
        i64::try_from(self.respite().as_millis()).unwrap_or(i64::MAX)
    }
}
