//! Making tables, whoever else does.

use sqlx::{Connection, PgConnection, Pool, Postgres};

use crate::sql::whole;

/// The lock under which tables are made: `IF NOT EXISTS` alone fails when two do so at once.
const LOCK: i64 = i64::from_be_bytes(*b"cachekit");

/// Makes what `schema` says, or nothing of it.
pub(crate) async fn make_tables(pool: &Pool<Postgres>, schema: &'static str) -> sqlx::Result<()> {
    whole(pool, async |conn| make(conn, schema).await).await
}

async fn make(conn: &mut PgConnection, schema: &'static str) -> sqlx::Result<()> {
    let mut tx = conn.begin().await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
    lock.execute(&mut *tx).await?;
    sqlx::raw_sql(schema).execute(&mut *tx).await?;
    tx.commit().await
}
