//! Rows for a relay, from PostgreSQL.

use sqlx::{Pool, Postgres, Row, postgres::PgRow};

use crate::sql::outbox::{Claim, Claimed, Raw, RowId, micros};

/// The selection is a CTE, since a plan may run a subquery several times, and its limit would hold for each.
const CLAIM: &str = "WITH due AS (SELECT id FROM cachekit_outbox WHERE namespace = $1 AND state = 0 \
    AND (claimed_until IS NULL OR claimed_until < now()) \
    AND (available_at <= now() \
    OR coalesce(claimed_until, '-infinity') < now() - make_interval(secs => $2)) \
    ORDER BY available_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
    UPDATE cachekit_outbox AS o SET claimed_by = $4, \
    claimed_until = now() + make_interval(secs => $5), attempts = attempts + 1 \
    FROM due WHERE o.id = due.id \
    RETURNING uuid_send(o.id) AS id, o.attempts::bigint AS attempts, \
    (extract(epoch FROM now() - o.created_at) * 1000000)::bigint AS age, o.keys, o.events::text AS events";

pub(super) async fn claim(pool: &Pool<Postgres>, claim: &Claim<'_>) -> sqlx::Result<Vec<Claimed>> {
    let hurry = claim.hurry.map(|hurry| hurry.as_secs_f64());
    let rows = sqlx::query(CLAIM).bind(claim.namespace).bind(hurry).bind(i64::from(claim.limit));
    let rows = rows.bind(claim.relay).bind(claim.lease.as_secs_f64()).fetch_all(pool).await?;
    rows.iter().map(|row| read(row, claim.namespace)).collect()
}

fn read(row: &PgRow, namespace: &str) -> sqlx::Result<Claimed> {
    let id: &[u8] = row.try_get("id")?;
    let raw = Raw {
        id: RowId::try_from(id)?,
        attempts: row.try_get("attempts")?,
        age: micros(row.try_get("age")?),
        keys: row.try_get("keys").map_err(|_| "keys: this is no list of texts".to_owned()),
        events: row.try_get("events").map_err(|_| "events: this is no text".to_owned()),
    };
    Ok(raw.into_claimed(namespace))
}
