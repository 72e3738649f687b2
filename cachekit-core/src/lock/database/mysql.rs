//! Fencing numbers and named locks of MySQL and MariaDB.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Error, MySql, MySqlConnection, Pool, RawSql, Row as _};

use super::{Holder, LockDatabase, MYSQL_SCHEMA, Row, Times, sealed::Sealed};
use crate::{sql::whole, sync::now};

/// A lock's name is the server's, not the database's, and has 64 characters at most.
macro_rules! name {
    () => {
        "SHA2(CONCAT_WS(':', DATABASE(), ?), 256)"
    };
}

const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// In seconds.
const A_YEAR: u64 = 365 * 24 * 3600;

impl Sealed for MySql {}

impl LockDatabase for MySql {
    const OF_CONNECTION: bool = true;

    async fn raise(conn: &mut MySqlConnection, row: Row<'_>, by: Holder<'_>) -> sqlx::Result<bool> {
        let (number, token) = (by.number, bytes(by.token));
        name_row(conn, row, &token).await?;
        // An insert locks the row alone. To look for a row that is not there would lock the gap, and two who did so
        // could not go on to insert. Assignments are made in this order.
        let raise = plain(format!(
            "INSERT INTO cachekit_fences (namespace, resource, fence, holder) \
             VALUES (@ck_namespace, @ck_resource, {number}, @ck_holder) ON DUPLICATE KEY UPDATE \
             holder = IF(fence < {number}, @ck_holder, holder), fence = GREATEST(fence, {number})"
        ));
        raise.execute(&mut *conn).await?;
        // How many rows were touched does not tell; the row is ours, so this is what it says now.
        let stored = plain(
            "SELECT fence, holder FROM cachekit_fences \
             WHERE namespace = @ck_namespace AND resource = @ck_resource FOR UPDATE"
                .to_owned(),
        );
        let stored = stored.fetch_one(conn).await?;
        let (fence, holder): (i64, Vec<u8>) = (stored.try_get(0)?, stored.try_get(1)?);
        Ok(fence == by.number && holder == by.token)
    }

    async fn floor(conn: &mut MySqlConnection, row: Row<'_>) -> sqlx::Result<i64> {
        let floor = sqlx::query_scalar(
            "SELECT fence FROM cachekit_fences WHERE namespace = ? AND resource = ?",
        );
        let floor = floor.bind(row.namespace).bind(row.resource).fetch_optional(conn);
        Ok(floor.await?.unwrap_or(0))
    }

    async fn seize(
        conn: &mut MySqlConnection,
        row: Row<'_>,
        token: &[u8],
        times: Times,
    ) -> sqlx::Result<Option<i64>> {
        let began = now();
        set_lock_wait(conn, rounded_up(times.wait)).await?;
        let get = sqlx::query_scalar(concat!("SELECT GET_LOCK(", name!(), ", ?)"));
        // It counts in whole seconds. What is left of the last one its caller spends on asking again.
        let seconds = times.wait.as_secs().min(A_YEAR).cast_signed();
        let get = get.bind(name(row)).bind(seconds).fetch_one(&mut *conn);
        let got: Option<i64> = get.await?;
        match got {
            Some(1) => {}
            Some(_) => return Ok(None),
            None => return Err(Error::Protocol("GET_LOCK was interrupted".to_owned())),
        }
        if let Some(left) = times.left_after(began) {
            set_lock_wait(conn, rounded_up(left)).await?;
        }
        match next(conn, row, token).await {
            // A former holder's transaction has the row: it may still commit, so its time is not over.
            Err(error) if number(&error) == Some(LOCK_WAIT_TIMEOUT) => {
                Self::let_go(conn, row, token).await?;
                Ok(None)
            }
            number => number.map(Some),
        }
    }

    async fn keep(
        conn: &mut MySqlConnection,
        row: Row<'_>,
        _token: &[u8],
        _lease: Duration,
    ) -> sqlx::Result<bool> {
        let held = concat!("SELECT IS_USED_LOCK(", name!(), ") = CONNECTION_ID()");
        let held: Option<i64> = sqlx::query_scalar(held).bind(name(row)).fetch_one(conn).await?;
        Ok(held == Some(1))
    }

    async fn let_go(conn: &mut MySqlConnection, row: Row<'_>, _token: &[u8]) -> sqlx::Result<bool> {
        let release = sqlx::query_scalar(concat!("SELECT RELEASE_LOCK(", name!(), ")"));
        let released: Option<i64> = release.bind(name(row)).fetch_one(conn).await?;
        Ok(released == Some(1))
    }

    async fn enter(conn: &mut MySqlConnection, row: Row<'_>, wait: Duration) -> sqlx::Result<bool> {
        let before = plain("SELECT CAST(@@innodb_lock_wait_timeout AS SIGNED)".to_owned());
        let before: i64 = before.fetch_one(&mut *conn).await?.try_get(0)?;
        name_row(conn, row, &bytes(&[])).await?;
        let seconds = rounded_up(wait);
        // In one, so that the server puts the limit back although nobody waits for it any more.
        let entered = plain(format!(
            "SET SESSION innodb_lock_wait_timeout = {seconds}; \
             INSERT INTO cachekit_fences (namespace, resource, fence, holder) \
             VALUES (@ck_namespace, @ck_resource, 0, @ck_holder) ON DUPLICATE KEY UPDATE fence = fence; \
             SET SESSION innodb_lock_wait_timeout = {before}"
        ));
        match entered.execute(&mut *conn).await {
            Ok(_) => Ok(true),
            // It ends at the first error.
            Err(error) => {
                set_lock_wait(conn, before).await?;
                if number(&error) == Some(LOCK_WAIT_TIMEOUT) { Ok(false) } else { Err(error) }
            }
        }
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        whole(pool, async |conn| sqlx::raw_sql(MYSQL_SCHEMA).execute(conn).await).await?;
        Ok(())
    }
}

/// The number that the statement wrote comes back as its insert id.
async fn next(conn: &mut MySqlConnection, row: Row<'_>, token: &[u8]) -> sqlx::Result<i64> {
    let next = sqlx::query(
        "INSERT INTO cachekit_fences (namespace, resource, fence, holder) \
         VALUES (?, ?, LAST_INSERT_ID(1), ?) \
         ON DUPLICATE KEY UPDATE fence = LAST_INSERT_ID(fence + 1), holder = ?",
    );
    let next = next.bind(row.namespace).bind(row.resource).bind(token).bind(token);
    let written = next.execute(conn).await?.last_insert_id();
    i64::try_from(written).map_err(|error| Error::Decode(error.into()))
}

/// Says whose row is meant, for the statements that may have to wait: what is slow is logged, and the key may hold personal
/// data.
async fn name_row(conn: &mut MySqlConnection, row: Row<'_>, token: &str) -> sqlx::Result<()> {
    let (namespace, resource) = (text(row.namespace), text(row.resource));
    let name = plain(format!(
        "SET @ck_namespace = {namespace}, @ck_resource = {resource}, @ck_holder = {token}"
    ));
    name.execute(conn).await?;
    Ok(())
}

async fn set_lock_wait(conn: &mut MySqlConnection, seconds: i64) -> sqlx::Result<()> {
    let set = plain(format!("SET SESSION innodb_lock_wait_timeout = {seconds}"));
    set.execute(conn).await?;
    Ok(())
}

/// A statement that is not prepared. On a connection that is the caller's nothing is: `sqlx-mysql` 0.9 does not remember
/// that a caller who left has not read the answer to a PREPARE, and takes it for the next one's.
fn plain(sql: String) -> RawSql {
    sqlx::raw_sql(AssertSqlSafe(sql))
}

/// The literal of a text, in which nothing can end it.
fn text(text: &str) -> String {
    format!("_utf8mb4 {} COLLATE utf8mb4_bin", bytes(text.as_bytes()))
}

fn bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("X'{digits}'")
}

fn name(row: Row<'_>) -> String {
    format!("{}:{}", row.namespace, row.resource)
}

/// At least one, which is the least that the server knows.
fn rounded_up(wait: Duration) -> i64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.clamp(1, A_YEAR).cast_signed()
}

fn number(error: &Error) -> Option<u16> {
    let Error::Database(error) = error else { return None };
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|error| error.number())
}
