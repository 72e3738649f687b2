//! Fencing numbers of SQLite, and locks that are rows of the same table.

use std::time::Duration;

use sqlx::{Pool, Sqlite, SqliteConnection};

use super::{Holder, LockDatabase, Row, SQLITE_SCHEMA, Times, ms, sealed::Sealed};

/// Milliseconds since 1970.
macro_rules! now {
    () => {
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    };
}

impl Sealed for Sqlite {}

impl LockDatabase for Sqlite {
    const OF_CONNECTION: bool = false;

    async fn raise(conn: &mut SqliteConnection, row: Row<'_>, by: Holder<'_>) -> sqlx::Result<bool> {
        let raise = sqlx::query(
            "INSERT INTO cachekit_fences (namespace, resource, fence, holder) VALUES (?, ?, ?, ?) \
             ON CONFLICT (namespace, resource) DO UPDATE \
             SET fence = excluded.fence, holder = excluded.holder \
             WHERE fence < excluded.fence OR fence = excluded.fence AND holder = excluded.holder",
        );
        let raise = raise.bind(row.namespace).bind(row.resource);
        let raised = raise.bind(by.number).bind(by.token).execute(conn).await?;
        Ok(raised.rows_affected() == 1)
    }

    async fn floor(conn: &mut SqliteConnection, row: Row<'_>) -> sqlx::Result<i64> {
        let floor = sqlx::query_scalar(
            "SELECT fence FROM cachekit_fences WHERE namespace = ? AND resource = ?",
        );
        let floor = floor.bind(row.namespace).bind(row.resource).fetch_optional(conn);
        Ok(floor.await?.unwrap_or(0))
    }

    async fn seize(
        conn: &mut SqliteConnection,
        row: Row<'_>,
        token: &[u8],
        times: Times,
    ) -> sqlx::Result<Option<i64>> {
        const SEIZE: &str = concat!(
            "INSERT INTO cachekit_fences (namespace, resource, fence, holder, held_until) ",
            "VALUES (?1, ?2, 1, ?3, ",
            now!(),
            " + ?4) ON CONFLICT (namespace, resource) DO UPDATE ",
            "SET fence = fence + 1, holder = excluded.holder, held_until = excluded.held_until ",
            "WHERE held_until <= ",
            now!(),
            " RETURNING fence",
        );
        let seize = sqlx::query_scalar(SEIZE).bind(row.namespace).bind(row.resource);
        seize.bind(token).bind(ms(times.lease)).fetch_optional(conn).await
    }

    async fn keep(
        conn: &mut SqliteConnection,
        row: Row<'_>,
        token: &[u8],
        lease: Duration,
    ) -> sqlx::Result<bool> {
        const KEEP: &str = concat!(
            "UPDATE cachekit_fences SET held_until = ",
            now!(),
            " + ? WHERE namespace = ? AND resource = ? AND holder = ? AND held_until > ",
            now!(),
        );
        let keep = sqlx::query(KEEP).bind(ms(lease)).bind(row.namespace);
        let kept = keep.bind(row.resource).bind(token).execute(conn).await?;
        Ok(kept.rows_affected() == 1)
    }

    async fn let_go(conn: &mut SqliteConnection, row: Row<'_>, token: &[u8]) -> sqlx::Result<bool> {
        let release = sqlx::query(
            "UPDATE cachekit_fences SET held_until = 0 \
             WHERE namespace = ? AND resource = ? AND holder = ? AND held_until > 0",
        );
        let release = release.bind(row.namespace).bind(row.resource).bind(token);
        Ok(release.execute(conn).await?.rows_affected() == 1)
    }

    /// A transaction that has written is the only one of its file.
    async fn enter(conn: &mut SqliteConnection, row: Row<'_>, wait: Duration) -> sqlx::Result<bool> {
        let before: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *conn).await?;
        set_busy_timeout(conn, ms(wait)).await?;
        let entered = lock_file(conn, row).await;
        set_busy_timeout(conn, before).await?;
        match entered {
            Err(error) if is_busy(&error) => Ok(false),
            entered => entered.map(|()| true),
        }
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        // The lock first: two that begin by reading cannot both go on to write.
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(SQLITE_SCHEMA).execute(&mut *tx).await?;
        tx.commit().await
    }
}

async fn lock_file(conn: &mut SqliteConnection, row: Row<'_>) -> sqlx::Result<()> {
    let lock = sqlx::query(
        "INSERT INTO cachekit_fences (namespace, resource, fence, holder) VALUES (?, ?, 0, x'') \
         ON CONFLICT (namespace, resource) DO UPDATE SET fence = fence",
    );
    lock.bind(row.namespace).bind(row.resource).execute(conn).await?;
    Ok(())
}

async fn set_busy_timeout(conn: &mut SqliteConnection, limit: i64) -> sqlx::Result<()> {
    let limit = limit.min(i64::from(i32::MAX));
    let set = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {limit}"));
    sqlx::raw_sql(set).execute(conn).await?;
    Ok(())
}

/// Locked by another; not a snapshot that is too old, which no waiting mends.
fn is_busy(error: &sqlx::Error) -> bool {
    super::waited_in_vain(error, "5")
}
