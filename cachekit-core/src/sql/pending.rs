//! The outbox in transactions that are not sqlx's: those of sea-orm, diesel and others.

use std::{error::Error as StdError, fmt};

use sqlx::Pool;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{
    Committed,
    doubt::InDoubt,
    home::Home,
    outbox::{Backend, OutboxRow, Verdict},
    records::Records,
};
use crate::{
    cache::{Cache, Context, Outcome},
    events::Event,
    key::Key,
    lock::Under,
    sync::Runtime,
};

/// An error of a library that cachekit does not know.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Writes a row of the outbox, by whatever means.
///
/// [`OutboxRow::sql`] has the statement.
pub trait OutboxSink: Send {
    /// Writes the row, in the transaction that its keys belong to.
    fn put(&mut self, row: &OutboxRow) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// What a transaction records that cachekit did not begin.
///
/// [Written](Self::write) inside the transaction it becomes a row of the outbox; [`Cache::settle`] then commits and
/// invalidates.
#[must_use = "write it in the transaction"]
pub struct Pending {
    cache: Cache,
    records: Records,
    home: Option<Box<dyn Home>>,
}

/// Invalidations that are in the outbox of a transaction that was not committed yet.
///
/// Dropped, as when that transaction is rolled back, it does nothing.
#[must_use = "commit the transaction with `Cache::settle`"]
pub struct Written {
    row: Option<(OutboxRow, Vec<Key>)>,
    home: Option<Box<dyn Home>>,
}

impl Cache {
    /// Begins to record what a transaction of another library makes stale.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit::key;
    /// use cachekit_core::{Cache, outbox};
    /// use cachekit_core::sql::{BoxError, OutboxSink};
    /// use sqlx::{Connection, SqliteConnection};
    ///
    /// struct Rows<'a>(&'a mut SqliteConnection);
    ///
    /// impl OutboxSink for Rows<'_> {
    ///     async fn put(&mut self, row: &outbox::OutboxRow) -> Result<(), BoxError> {
    ///         sqlx::query(outbox::OutboxRow::sql(outbox::Dialect::Sqlite))
    ///             .bind(row.id.as_bytes().to_vec())
    ///             .bind(row.namespace.clone())
    ///             .bind(row.keys_json()?)
    ///             .bind(row.events_json()?)
    ///             .bind(row.respite_ms())
    ///             .execute(&mut *self.0)
    ///             .await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// outbox::migrate(&pool).await?;
    /// let cache = Cache::builder().build()?;
    ///
    /// let mut transaction = pool.begin().await?; // some other library's
    /// let mut pending = cache.pending().settling_on(&pool);
    /// pending.invalidate(key!("users"));
    /// let written = pending.write(&mut Rows(&mut transaction)).await?;
    /// let committed = cache.settle(written, async move { transaction.commit().await }).await?;
    /// assert_eq!(committed.invalidation, cachekit_core::Outcome::Applied);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pending(&self) -> Pending {
        Pending { cache: self.clone(), records: Records::default(), home: None }
    }

    /// Runs `commit`, and invalidates what was written before.
    ///
    /// `commit` must end the transaction whatever comes: commit it, or roll it back and fail.
    ///
    /// # Errors
    ///
    /// Those of `commit`. An error may hide that the transaction *was* committed, when the answer was lost. With
    /// [`settling_on`](Pending::settling_on) the database is asked, for 5 s at most; where it says that it was, the
    /// call succeeds, and where it says nothing this process reads past the cache for the keys until it does. Without,
    /// the keys are invalidated now, once more after a second, and by the relay that finds the row: until then a commit
    /// that came late may be read past.
    ///
    /// # Panics
    ///
    /// Where `commit` does.
    ///
    /// # Cancel safety
    ///
    /// Once polled, `commit` and the invalidations are carried out whether the caller waits or not. Dropped before
    /// that, `commit` is dropped.
    pub async fn settle<E: Send + 'static>(
        &self,
        written: Written,
        commit: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<Committed, E> {
        let Written { row, home } = written;
        let doubt = match (self.engine(), row) {
            (Some(engine), Some((row, keys))) => Some(InDoubt::new(engine, &row, keys, home)),
            _ => None,
        };
        let (answer, answered) = oneshot::channel();
        // Whoever has the lock next must find what is committed.
        let under = Under::current();
        let work = async move {
            let committed = finish(doubt, commit.await).await;
            drop(under);
            // A caller that went away has no use for it.
            let _unheard = answer.send(committed);
        };
        let work = Context::current().scope(work).instrument(tracing::Span::current());
        Runtime::current().spawn(work);
        match answered.await {
            Ok(outcome) => outcome,
            Err(_) => panic!("the future that commits panicked, or its runtime was shut down"),
        }
    }
}

async fn finish<E>(doubt: Option<InDoubt>, committed: Result<(), E>) -> Result<Committed, E> {
    let Some(mut doubt) = doubt else {
        return committed.map(|()| Committed::new(Outcome::Applied));
    };
    let Err(error) = committed else { return Ok(doubt.committed().await) };
    if !doubt.can_ask() {
        doubt.invalidate_twice();
        return Err(error);
    }
    match doubt.verdict().await {
        Some(Verdict::Committed) => Ok(doubt.committed().await),
        Some(Verdict::Aborted) => {
            doubt.aborted();
            Err(error)
        }
        None => Err(error),
    }
}

impl Pending {
    /// Notes that what is cached for `key` is stale once the transaction is committed.
    pub fn invalidate(&mut self, key: Key) {
        self.invalidate_many([key]);
    }

    /// [`invalidate`](Self::invalidate) for several keys.
    pub fn invalidate_many(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.records.add(keys);
    }

    /// Notes that what was loaded under this tag is stale once the transaction is committed; see
    /// [`Cache::invalidate_tag`].
    pub fn invalidate_tag(&mut self, tag: Key) {
        self.invalidate(tag.to_tag());
    }

    /// Notes an event that a relay publishes once the transaction is committed, at least once.
    pub fn publish(&mut self, event: Event) {
        self.records.publish(event);
    }

    /// Names a pool of the database that the transaction is in. It is asked what became of the transaction where the
    /// answer to COMMIT is lost, and rows are marked as done on it.
    ///
    /// A pool of another database would give a wrong verdict.
    pub fn settling_on<DB: Backend>(mut self, pool: &Pool<DB>) -> Self {
        self.home = Some(Box::new(pool.clone()));
        self
    }

    /// Writes the row, if anything was recorded.
    ///
    /// # Errors
    ///
    /// Those of the sink. Roll back then.
    ///
    /// # Cancel safety
    ///
    /// That of the sink. Nothing is invalidated.
    pub async fn write(self, sink: &mut impl OutboxSink) -> Result<Written, BoxError> {
        let Self { cache, records, home } = self;
        let row = match cache.engine() {
            Some(engine) if !records.is_empty() => {
                let (row, keys) = records.into_row(engine.namespace());
                sink.put(&row).await?;
                Some((row, keys))
            }
            _ => None,
        };
        Ok(Written { row, home })
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("records", &self.records).finish_non_exhaustive()
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("row", &self.row.as_ref().map(|(row, _)| row))
            .finish_non_exhaustive()
    }
}
