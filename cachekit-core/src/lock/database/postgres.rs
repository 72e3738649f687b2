//! Fencing numbers and advisory locks of PostgreSQL.

use std::time::Duration;

use sqlx::{PgConnection, Pool, Postgres};

use super::{
    Holder, LockDatabase, POSTGRES_SCHEMA, Row, Times, ms, sealed::Sealed, waited_in_vain,
};
use crate::{sql::make_tables, sync::now};

const LOCK_NOT_AVAILABLE: &str = "55P03";

impl Sealed for Postgres {}

impl LockDatabase for Postgres {
    const OF_CONNECTION: bool = true;

    async fn raise(conn: &mut PgConnection, row: Row<'_>, by: Holder<'_>) -> sqlx::Result<bool> {
        let raise = sqlx::query(
            "INSERT INTO cachekit_fences AS stored (namespace, resource, fence, holder) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (namespace, resource) DO UPDATE \
             SET fence = excluded.fence, holder = excluded.holder \
             WHERE stored.fence < excluded.fence \
             OR stored.fence = excluded.fence AND stored.holder = excluded.holder",
        );
        let raise = raise.bind(row.namespace).bind(row.resource);
        let raised = raise.bind(by.number).bind(by.token).execute(conn).await?;
        Ok(raised.rows_affected() == 1)
    }

    async fn floor(conn: &mut PgConnection, row: Row<'_>) -> sqlx::Result<i64> {
        let floor = sqlx::query_scalar(
            "SELECT fence FROM cachekit_fences WHERE namespace = $1 AND resource = $2",
        );
        let floor = floor.bind(row.namespace).bind(row.resource).fetch_optional(conn);
        Ok(floor.await?.unwrap_or(0))
    }

    async fn seize(
        conn: &mut PgConnection,
        row: Row<'_>,
        token: &[u8],
        times: Times,
    ) -> sqlx::Result<Option<i64>> {
        let began = now();
        set_lock_timeout(conn, times.wait, false).await?;
        if !take(conn, row, times.wait).await? {
            return Ok(None);
        }
        if let Some(left) = times.left_after(began) {
            set_lock_timeout(conn, left, false).await?;
        }
        match next(conn, row, token).await {
            // A former holder's transaction has the row: it may still commit, so its time is not over.
            Err(error) if waited_in_vain(&error, LOCK_NOT_AVAILABLE) => {
                Self::let_go(conn, row, token).await?;
                Ok(None)
            }
            number => number.map(Some),
        }
    }

    async fn keep(
        conn: &mut PgConnection,
        row: Row<'_>,
        _token: &[u8],
        _lease: Duration,
    ) -> sqlx::Result<bool> {
        // A pooler between us and the server may have changed the session under our hands.
        let held = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND pid = pg_backend_pid() AND objsubid = 1 \
             AND (classid::bigint << 32 | objid::bigint) = $1)",
        );
        held.bind(id(row)).fetch_one(conn).await
    }

    async fn let_go(conn: &mut PgConnection, row: Row<'_>, _token: &[u8]) -> sqlx::Result<bool> {
        let unlock = sqlx::query_scalar("SELECT pg_advisory_unlock($1)");
        unlock.bind(id(row)).fetch_one(conn).await
    }

    async fn enter(conn: &mut PgConnection, row: Row<'_>, wait: Duration) -> sqlx::Result<bool> {
        if wait.is_zero() {
            let lock = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)");
            return lock.bind(id(row)).fetch_one(conn).await;
        }
        let before = sqlx::query_scalar("SELECT current_setting('lock_timeout')");
        let before: String = before.fetch_one(&mut *conn).await?;
        set_lock_timeout(conn, wait, true).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(id(row));
        match lock.execute(&mut *conn).await {
            Err(error) if waited_in_vain(&error, LOCK_NOT_AVAILABLE) => return Ok(false),
            locked => locked?,
        };
        let restore = sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(before);
        restore.execute(conn).await?;
        Ok(true)
    }

    /// The server looks whether its client is still there, or one that waits for a lock would stay until it has it.
    async fn greet(conn: &mut PgConnection) -> sqlx::Result<()> {
        const LOOKS: &str = "SELECT set_config('client_connection_check_interval', '1s', false) \
                             WHERE current_setting('server_version_num')::int >= 140000";
        match sqlx::raw_sql(LOOKS).execute(conn).await {
            // Not every system that PostgreSQL runs on can tell.
            Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        let look = sqlx::query_scalar("SELECT to_regclass('cachekit_fences') IS NOT NULL");
        if look.fetch_one(pool).await? {
            return Ok(());
        }
        make_tables(pool, POSTGRES_SCHEMA).await
    }
}

async fn take(conn: &mut PgConnection, row: Row<'_>, wait: Duration) -> sqlx::Result<bool> {
    if wait.is_zero() {
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)");
        return lock.bind(id(row)).fetch_one(conn).await;
    }
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(id(row));
    match lock.execute(conn).await {
        Err(error) if waited_in_vain(&error, LOCK_NOT_AVAILABLE) => Ok(false),
        locked => locked.map(|_| true),
    }
}

async fn next(conn: &mut PgConnection, row: Row<'_>, token: &[u8]) -> sqlx::Result<i64> {
    let next = sqlx::query_scalar(
        "INSERT INTO cachekit_fences AS stored (namespace, resource, fence, holder) \
         VALUES ($1, $2, 1, $3) ON CONFLICT (namespace, resource) DO UPDATE \
         SET fence = stored.fence + 1, holder = excluded.holder RETURNING fence",
    );
    next.bind(row.namespace).bind(row.resource).bind(token).fetch_one(conn).await
}

/// Zero would mean for ever.
async fn set_lock_timeout(
    conn: &mut PgConnection,
    wait: Duration,
    in_transaction: bool,
) -> sqlx::Result<()> {
    let limit = ms(wait).clamp(1, i64::from(i32::MAX)).to_string();
    let set = sqlx::query("SELECT set_config('lock_timeout', $1, $2)");
    set.bind(limit).bind(in_transaction).execute(conn).await?;
    Ok(())
}

/// Of the 64 bits that a lock has for a name. Two names that share theirs wait for one another, and no more.
fn id(row: Row<'_>) -> i64 {
    let hash = blake3::hash(format!("{}:{}", row.namespace, row.resource).as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_be_bytes(id)
}
