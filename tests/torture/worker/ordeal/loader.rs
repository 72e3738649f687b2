//! Loads from the database that dawdle, fail and panic now and then.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use cachekit_torture::rows::{self, Rows};
use sqlx::Pool;
use tokio::time;

/// What went wrong by this process's own doing.
pub(crate) struct Mishaps {
    are_on: bool,
    pub(super) left: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    slow: AtomicU64,
}

impl Mishaps {
    pub(super) fn new(are_on: bool) -> Mishaps {
        let count = || AtomicU64::new(0);
        Mishaps { are_on, left: count(), failed: count(), panicked: count(), slow: count() }
    }

    /// Whether one of so many is to meet with one.
    fn strikes(&self, one_in: u32) -> bool {
        self.are_on && fastrand::u32(..one_in) == 0
    }
}

/// In the order of `MISHAPS`.
impl fmt::Display for Mishaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [&self.left, &self.failed, &self.panicked, &self.slow];
        let [left, failed, panicked, slow] = counts.map(|count| count.load(Ordering::Relaxed));
        write!(f, "{left} {failed} {panicked} {slow}")
    }
}

/// Loads items.
#[derive(Clone)]
pub(crate) struct Loader<DB: Rows> {
    pub(crate) pool: Pool<DB>,
    pub(crate) mishaps: Arc<Mishaps>,
}

impl<DB: Rows> Loader<DB> {
    /// The item's version as of one moment between two pauses.
    pub(crate) async fn load(&self, id: u32) -> sqlx::Result<u64> {
        let pause = self.dawdle();
        time::sleep(pause / 2).await;
        let mut conn = self.pool.acquire().await?;
        let found = rows::versions::<DB>(&mut conn, &[id]).await?;
        drop(conn);
        time::sleep(pause / 2).await;
        if self.mishaps.strikes(200) {
            self.mishaps.failed.fetch_add(1, Ordering::Relaxed);
            return Err(sqlx::Error::WorkerCrashed);
        }
        if self.mishaps.strikes(400) {
            self.mishaps.panicked.fetch_add(1, Ordering::Relaxed);
            // Without a word on the standard error.
            resume_unwind(Box::new("planned"));
        }
        let version = found.first().copied().ok_or(sqlx::Error::RowNotFound)?;
        Ok(u64::try_from(version).expect("versions grow"))
    }

    fn dawdle(&self) -> Duration {
        if self.mishaps.strikes(500) {
            self.mishaps.slow.fetch_add(1, Ordering::Relaxed);
            return Duration::from_millis(fastrand::u64(100..1_500));
        }
        Duration::from_micros(if fastrand::u8(..4) == 0 { fastrand::u64(..20_000) } else { 0 })
    }
}

/// What comes of it, unless it panics.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_planned) => Poll::Ready(None),
    })
    .await
}
