//! Connections that go back to their pool only when nothing was left half-way on them.

use sqlx::{Database, Pool, pool::PoolConnection};

/// Runs `work` on a connection of the pool. Where it is dropped half-way, the connection is closed.
///
/// `sqlx-mysql` 0.9 does not remember what a dropped statement has left unread: the next one on that connection takes it
/// for its own answer, and may then wait for ever for the rest.
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

struct Whole<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Whole<DB> {
    fn drop(&mut self) {
        if let Some(mut conn) = self.0.take() {
            conn.close_on_drop();
        }
    }
}
