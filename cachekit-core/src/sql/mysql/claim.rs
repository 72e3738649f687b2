//! Rows for a relay, from MySQL and MariaDB, which give back no rows that they change.

use std::time::Duration;

use sqlx::{Connection, MySqlConnection, QueryBuilder, Row, mysql::MySqlRow};

use super::backend::{BEGIN, push_ids, us};
use crate::sql::outbox::{Claim, Claimed, Raw, RowId, list, micros};

/// Rows that may be claimed, by the namespace and for how long none has tried them.
macro_rules! due {
    () => {
        "namespace = ? AND state = 0 AND (claimed_until IS NULL OR claimed_until < UTC_TIMESTAMP(6)) \
         AND (available_at <= UTC_TIMESTAMP(6) \
         OR COALESCE(claimed_until, '1970-01-01') < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND)"
    };
}

pub(super) async fn claim(
    conn: &mut MySqlConnection,
    claim: &Claim<'_>,
) -> sqlx::Result<Vec<Claimed>> {
    const LOOK: &str = concat!("SELECT 1 FROM cachekit_outbox WHERE ", due!(), " LIMIT 1");
    const SELECT: &str = concat!(
        "SELECT id, attempts + 1, TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)), ",
        "CAST(`keys` AS CHAR), CAST(events AS CHAR) FROM cachekit_outbox WHERE ",
        due!(),
        " ORDER BY available_at LIMIT ? FOR UPDATE SKIP LOCKED",
    );
    let hurry = claim.hurry.map(us);
    // An idle relay asks this and nothing else.
    let look = sqlx::query(LOOK).bind(claim.namespace).bind(hurry);
    if look.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut tx = conn.begin_with(BEGIN).await?;
    let rows = sqlx::query(SELECT).bind(claim.namespace).bind(hurry).bind(claim.limit);
    let rows = rows.fetch_all(&mut *tx).await?;
    let rows: Vec<_> =
        rows.iter().map(|row| read(row, claim.namespace)).collect::<sqlx::Result<_>>()?;
    if rows.is_empty() {
        return Ok(rows);
    }
    let mut update = QueryBuilder::new("UPDATE cachekit_outbox SET claimed_by = ");
    update.push_bind(claim.relay).push(", claimed_until = UTC_TIMESTAMP(6) + INTERVAL ");
    update.push_bind(us(claim.lease));
    update.push(" MICROSECOND, attempts = attempts + 1 WHERE id IN (");
    push_ids(&mut update, &rows.iter().map(|row| row.id).collect::<Vec<_>>());
    update.build().persistent(false).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(rows)
}

fn read(row: &MySqlRow, namespace: &str) -> sqlx::Result<Claimed> {
    let id: &[u8] = row.try_get(0)?;
    let text = |index: usize, column: &str| {
        row.try_get::<String, _>(index).map_err(|_| format!("{column}: this is no text"))
    };
    let raw = Raw {
        id: RowId::try_from(id)?,
        attempts: row.try_get(1)?,
        age: micros(row.try_get(2)?),
        keys: text(3, "keys").and_then(|text| list("keys", &text)),
        events: text(4, "events"),
    };
    Ok(raw.into_claimed(namespace))
}

/// Deletes old rows by their ids, so that no row is waited for and no gap locked.
pub(super) async fn prune(
    conn: &mut MySqlConnection,
    namespace: &str,
    done_for: Duration,
    limit: u32,
) -> sqlx::Result<u64> {
    // The age bounds the search: a row is never done before it was written.
    const OLD: &str = "SELECT id FROM cachekit_outbox WHERE namespace = ? \
        AND created_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND \
        AND (state = 1 AND done_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND \
        OR state = 9 AND created_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY) \
        ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED";
    let mut tx = conn.begin_with(BEGIN).await?;
    let old = sqlx::query_scalar(OLD).bind(namespace).bind(us(done_for)).bind(us(done_for));
    let ids: Vec<Vec<u8>> = old.bind(limit).fetch_all(&mut *tx).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = ids.iter().map(|id| RowId::try_from(&id[..])).collect::<sqlx::Result<_>>()?;
    let mut delete = QueryBuilder::new("DELETE FROM cachekit_outbox WHERE id IN (");
    push_ids(&mut delete, &ids);
    let deleted = delete.build().persistent(false).execute(&mut *tx).await?.rows_affected();
    tx.commit().await?;
    Ok(deleted)
}
