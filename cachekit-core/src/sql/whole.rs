//! Connections that go back to their pool only when nothing was left half-way on them.

use sqlx::{Database, Pool, pool::PoolConnection};

/// Runs `work` on a connection of the pool. Where it is dropped half-way, the connection is closed; the server may go on
/// with it.
///
/// sqlx 0.9 forgets a BEGIN that is dropped, on MySQL and PostgreSQL: the next one who is given the connection writes what is
/// never committed. On MySQL it also forgets that the answer to a PREPARE was not read: the next statement takes it for its
/// own, and may wait for ever for the rest. SQLite has neither, and a database in memory that ends with its connection.
pub(crate) async fn whole<DB: Database, T>(
    pool: &Pool<DB>,
    work: impl AsyncFnOnce(&mut DB::Connection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let mut conn = Whole(Some(pool.acquire().await?));
    let done = match conn.0.as_deref_mut() {
        Some(conn) => work(conn).await,
        None => Err(sqlx::Error::WorkerCrashed),
    };
    drop(conn.0.take());
    done
}

const SQLITE: &str = "SQLite";

struct Whole<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Whole<DB> {
    fn drop(&mut self) {
        if let Some(conn) = &mut self.0
            && DB::NAME != SQLITE
        {
            conn.close_on_drop();
        }
    }
}
