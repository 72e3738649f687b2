//! Rows for a relay, from SQLite.

use std::time::Duration;

use sqlx::{Pool, Row, Sqlite, sqlite::SqliteRow};

use super::backend::ms;
use crate::sql::outbox::{Claim, Claimed, Raw, RowId, list, micros};

/// The database's time: milliseconds since 1970.
macro_rules! now {
    () => {
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    };
}
pub(super) use now;

/// Rows that may be claimed. `?1` is the namespace, `?2` for how long none has tried them.
macro_rules! due {
    () => {
        concat!(
            "namespace = ?1 AND state = 0 AND (claimed_until IS NULL OR claimed_until < ",
            now!(),
            ") AND (available_at <= ",
            now!(),
            " OR coalesce(claimed_until, 0) < ",
            now!(),
            " - ?2)",
        )
    };
}

/// One statement takes the write lock at its beginning, as `BEGIN IMMEDIATE` does. An idle relay only reads.
pub(super) async fn claim(pool: &Pool<Sqlite>, claim: &Claim<'_>) -> sqlx::Result<Vec<Claimed>> {
    const LOOK: &str = concat!("SELECT 1 FROM cachekit_outbox WHERE ", due!(), " LIMIT 1");
    const CLAIM: &str = concat!(
        "UPDATE cachekit_outbox SET claimed_by = ?3, claimed_until = ",
        now!(),
        " + ?4, attempts = attempts + 1 WHERE id IN (SELECT id FROM cachekit_outbox WHERE ",
        due!(),
        " ORDER BY available_at LIMIT ?5) RETURNING id, CAST(attempts AS INTEGER) AS attempts, ",
        now!(),
        " - created_at AS age, keys, events",
    );
    let hurry = claim.hurry.map(ms);
    let look = sqlx::query(LOOK).bind(claim.namespace).bind(hurry);
    if look.fetch_optional(pool).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(CLAIM).bind(claim.namespace).bind(hurry).bind(claim.relay);
    let rows = rows.bind(ms(claim.lease)).bind(claim.limit).fetch_all(pool).await?;
    rows.iter().map(|row| read(row, claim.namespace)).collect()
}

fn read(row: &SqliteRow, namespace: &str) -> sqlx::Result<Claimed> {
    let id: &[u8] = row.try_get("id")?;
    let text = |column: &str| {
        row.try_get::<String, _>(column).map_err(|_| format!("{column}: this is no text"))
    };
    let raw = Raw {
        id: RowId::try_from(id)?,
        attempts: row.try_get("attempts")?,
        age: age(row.try_get("age").unwrap_or(0)),
        keys: text("keys").and_then(|text| list("keys", &text)),
        events: text("events"),
    };
    Ok(raw.into_claimed(namespace))
}

pub(super) fn age(ms: i64) -> Duration {
    micros(ms.saturating_mul(1000))
}
