//! Taking a lock: one vote after the other, until it is won or the time is up.

use std::{sync::Arc, time::Duration};

use super::{RedlockBuilder, ballot::Ballot, quorum::Tally};
use crate::lock::{
    errors::ACQUIRE,
    keeping::Keeping,
    queue::{Queue, Turn},
    request::{Asked, KeptLock, LockRequest, Locker, Taken},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    key::Key,
    redis::Voter,
    retry::{doubled, full_jitter},
    sync::sleep,
};

/// Pauses between attempts double from the first to the last, and each is spread over its whole length.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// Locks that a majority of independent Redis servers vote for, so that no single server is needed.
///
/// A lock is held by whoever has the votes of more than half of the servers: with five of them, two may be down. All
/// are asked at once, each for at most [`node_timeout`](RedlockBuilder::node_timeout). What is left of the lease after
/// that, less a hundredth and 2 ms for clocks that differ and a margin in which to stop, is how long the lock may be relied
/// on; if nothing is left, or the majority did not vote, every server is asked to take its vote back, also those that did
/// not answer. A held lock is renewed by the majority at a third of its lease. Where that fails until the lease is
/// over, it is lost.
///
/// # What it is not
///
/// * **It does not exclude two holders for certain.** A process that is stopped past its lease goes on believing that it
///   holds the lock until it looks at its clock; a server whose clock jumps drops its vote early; a server that restarts
///   without having its votes on disk votes again. Run the servers with `appendonly yes` and `appendfsync always`, or keep
///   a restarted one out of reach for as long as the longest lease. They must be independent: no replicas, no cluster, no
///   common power supply.
/// * **It has no fencing token.** Numbers that only grow need servers that agree on the last one. The servers here agree
///   on nothing: each counts for itself, any majority may be another one than the last, and a number drawn from the
///   votes of one could be lower than what another has given. A guard of Redlock has therefore nothing that a database
///   could check, and the type says so.
///
/// So use it to keep work from being done twice where that costs time or money, and one Redis must not be what everything
/// hangs on. Where two holders at once would damage data, use [`SqlLock`](crate::SqlLock), or a lock of
/// [`Cache::lock`](crate::Cache::lock) whose number is [shown](crate::LockGuard::fence) to the database.
///
/// ```no_run
/// use std::time::Duration;
/// use cachekit::key;
/// use cachekit_core::Redlock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cachekit_core::Error> {
/// let redlock = Redlock::new([
///     "redis://lock-1", "redis://lock-2", "redis://lock-3", "redis://lock-4", "redis://lock-5",
/// ])
/// .namespace("shop")
/// .connect()
/// .await?;
///
/// let day = "2026-11-21";
/// let guard = redlock.lock(key!("report:<day>")).wait(Duration::from_secs(2)).acquire().await?;
/// guard.run(async { /* the work */ }).await?;
/// guard.release().await?;
/// # Ok(())
/// # }
/// ```
#[cfg_attr(not(feature = "_sqlx"), allow(rustdoc::broken_intra_doc_links))]
#[derive(Clone, Debug)]
pub struct Redlock {
    pub(super) inner: Arc<Inner>,
}

/// A lock that is held by the votes of a majority. It has no fencing token: see [`Redlock`].
pub type RedlockGuard = KeptLock<Redlock>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) voters: Vec<Voter>,
    pub(super) namespace: String,
    pub(super) node_timeout: Duration,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Clock,
}

impl Redlock {
    /// Begins with the URLs of the servers, as [`CacheBuilder::redis`](crate::CacheBuilder::redis) takes them: at least
    /// three, and an odd number, for a fourth server adds nothing to three but another that can fail.
    #[expect(clippy::new_ret_no_self, reason = "it has to connect first")]
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedlockBuilder {
        RedlockBuilder::of(urls.into_iter().map(Into::into).collect())
    }

    /// The lock of this key, to be taken by [`acquire`](LockRequest::acquire),
    /// [`try_acquire`](LockRequest::try_acquire) or [`run`](LockRequest::run).
    ///
    /// `lease` is how long servers keep their votes for a holder that died.
    pub fn lock(&self, key: Key) -> LockRequest<Redlock> {
        LockRequest::new(self.clone(), key)
    }

    /// How many votes make a majority.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.inner.quorum()
    }
}

impl Inner {
    fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }
}

impl Locker for Redlock {
    const NAME: &'static str = "redlock";

    async fn take(&self, asked: Asked<'_>) -> Result<Taken, Error> {
        let lease = asked.terms.lease;
        self.check_lease(lease)?;
        let mut turn = Some(asked.turn(&self.inner.queue).await?);
        let mut attempts = 0;
        loop {
            let mut ballot = Ballot::open(self.inner.clone(), asked.key.as_str(), lease)?;
            let tally = ballot.collect().await;
            if tally.is_won() && ballot.is_in_time() {
                return Ok(won(ballot, &asked, &mut turn));
            }
            ballot.withdraw().await;
            if !tally.is_won() && tally.is_out_of_reach() {
                return Err(unavailable(asked.key, tally));
            }
            let left = asked.patience.left();
            if left.is_zero() {
                return Err(asked.in_vain());
            }
            sleep(full_jitter(doubled(FIRST_PAUSE, attempts, LAST_PAUSE)).min(left)).await;
            attempts += 1;
        }
    }
}

impl Redlock {
    fn check_lease(&self, lease: Duration) -> Result<(), Error> {
        let least = self.inner.node_timeout * 4;
        if lease >= least {
            return Ok(());
        }
        let message = format!(
            "the lease is {lease:?}; give at least four times the time-out of a server, {least:?}"
        );
        Err(Error::new(ErrorKind::Config, ACQUIRE, message))
    }
}

fn won(ballot: Ballot, asked: &Asked<'_>, turn: &mut Option<Turn>) -> Taken {
    let hold = ballot.hold(asked.key.to_template(), asked.terms.max_hold);
    let lease = asked.terms.lease;
    Taken(Keeping::start(hold, ballot, lease, turn.take()))
}

fn unavailable(key: &Key, tally: Tally) -> Error {
    let message = format!(
        "{} of {} servers are down or do not answer in time, and {} must vote for a holder",
        tally.failed,
        tally.of,
        tally.quorum()
    );
    Error::new(ErrorKind::Unavailable, ACQUIRE, message).with_template(key.to_template())
}
