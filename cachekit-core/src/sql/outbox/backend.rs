//! What the outbox asks of a database.

use std::time::Duration;

use sqlx::{Database, Pool};

use super::{Backlog, Claim, Claimed, OutboxRow, RowId};

/// A database that can hold the outbox: PostgreSQL, MySQL or MariaDB, SQLite.
///
/// Implemented for the databases of sqlx by the features `sqlx-postgres`, `sqlx-mysql`, `sqlx-sqlite`; it cannot be
/// implemented elsewhere. All times are the database's own.
pub trait Backend: Database + sealed::Sealed {
    /// Writes the row, in the transaction that is open on `conn`.
    #[doc(hidden)]
    fn insert(
        conn: &mut Self::Connection,
        row: &OutboxRow,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Whether the transaction that wrote this row was committed. It waits for that transaction, a second at most, and
    /// makes sure that one without a verdict of `Committed` can never commit any more.
    #[doc(hidden)]
    fn verdict(
        pool: &Pool<Self>,
        id: RowId,
        namespace: &str,
    ) -> impl Future<Output = sqlx::Result<Verdict>> + Send;

    /// Takes rows to work on.
    #[doc(hidden)]
    fn claim(
        pool: &Pool<Self>,
        claim: &Claim<'_>,
    ) -> impl Future<Output = sqlx::Result<Vec<Claimed>>> + Send;

    /// Those rows are dealt with.
    #[doc(hidden)]
    fn done(pool: &Pool<Self>, ids: &[RowId]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The row is to be tried again after some time. Said by a relay that no longer holds the row it counts for nothing.
    #[doc(hidden)]
    fn retry(
        pool: &Pool<Self>,
        relay: &str,
        id: RowId,
        after: Duration,
        error: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Those rows were not tried after all: whoever asks next is given them.
    #[doc(hidden)]
    fn release(
        pool: &Pool<Self>,
        relay: &str,
        ids: &[RowId],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The row is given up: it lies there until somebody sends it on its way again. Said by a relay that no longer
    /// holds the row it counts for nothing.
    #[doc(hidden)]
    fn bury(
        pool: &Pool<Self>,
        relay: &str,
        id: RowId,
        error: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes every dead row of the namespace pending again, and says how many.
    #[doc(hidden)]
    fn redrive(
        pool: &Pool<Self>,
        namespace: &str,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Deletes at most `limit` rows that were done for at least this long, or that keep a transaction from
    /// committing for a day, and says how many.
    #[doc(hidden)]
    fn prune(
        pool: &Pool<Self>,
        namespace: &str,
        done_for: Duration,
        limit: u32,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// How much waits.
    #[doc(hidden)]
    fn backlog(
        pool: &Pool<Self>,
        namespace: &str,
    ) -> impl Future<Output = sqlx::Result<Backlog>> + Send;

    /// Creates the tables that are missing.
    #[doc(hidden)]
    fn migrate(pool: &Pool<Self>) -> impl Future<Output = sqlx::Result<()>> + Send;
}

#[doc(hidden)]
pub mod sealed {
    /// Keeps the trait to this crate.
    pub trait Sealed {}
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was committed.
    Committed,
    /// It was not, and cannot be any more.
    Aborted,
}

impl Verdict {
    /// What the row says that was there when the poison came.
    pub(crate) fn of_state(state: i16) -> Self {
        const POISON: i16 = 9;
        if state == POISON { Self::Aborted } else { Self::Committed }
    }
}
