//! A consumer that runs.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::work::Worker;
use super::{DeadEvent, Lag};
use crate::redis::{StoreError, StreamError, Wire};
use crate::{Error, ErrorKind};

/// A running consumer. Dropped, it ends at once, and what it had in hand is delivered again, to another or to the next;
/// [`shutdown`](Self::shutdown) finishes first.
#[must_use = "a consumer ends when its handle is dropped"]
pub struct ConsumerHandle {
    pub(super) worker: Arc<Worker>,
    pub(super) stop: watch::Sender<bool>,
    /// The reader and the lanes.
    pub(super) tasks: JoinSet<()>,
    pub(super) keeper: JoinSet<()>,
    pub(super) wires: [Wire; 2],
}

impl ConsumerHandle {
    /// Reads no more, waits for the messages that handlers are at, acknowledges those, leaves the rest to others at
    /// once, and closes the connections.
    ///
    /// It takes as long as the slowest handler, and at least until the read under way ends:
    /// [`Consumer::block`](super::Consumer::block).
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the consumer ends at once; what it had in hand is delivered again.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        self.keeper.shutdown().await;
        // A name without messages is of no use in the group's list.
        let _ = self.worker.group.leave().await;
        for wire in &self.wires {
            wire.shutdown().await;
        }
    }

    /// How far the group is behind.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not say.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn lag(&self) -> Result<Lag, Error> {
        let lag = self.worker.lag().await;
        lag.map_err(|error| failed("measure lag", error))
    }

    /// Has every event that was published since `time`, and is still kept, delivered to the group once more: where a
    /// handler was wrong, or what it wrote was lost. Events that were not delivered yet come as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not do it; call it again.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it may be done or not.
    pub async fn replay_since(&self, time: SystemTime) -> Result<(), Error> {
        let operation = "replay events";
        match self.worker.group.go_back_to(time).await {
            Ok(()) => Ok(()),
            Err(StreamError::NoGroup) => {
                let message = "the group is not there yet; it begins with all that is kept";
                Err(Error::new(ErrorKind::Unavailable, operation, message))
            }
            Err(StreamError::Store(error)) => Err(failed(operation, error)),
        }
    }

    /// The first `limit` of the group's dead letters, oldest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not say.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadEvent>, Error> {
        let dead = self.worker.grave.list(limit).await;
        dead.map_err(|error| failed("list dead letters", error))
    }

    /// Sends the group's dead letters on their way again, behind all that waits, and says how many. Other groups do not
    /// see them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not do it; call it again.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way some are on their way and the rest are not; one may be both, and so be delivered twice.
    pub async fn redrive(&self) -> Result<u64, Error> {
        let moved = self.worker.grave.redrive().await;
        moved.map_err(|error| failed("redrive dead letters", error))
    }
}

impl fmt::Debug for ConsumerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerHandle").finish_non_exhaustive()
    }
}

fn failed(operation: &'static str, error: StoreError) -> Error {
    let (kind, message) = match error {
        StoreError::Timeout | StoreError::Io => (ErrorKind::Timeout, "redis did not answer"),
        StoreError::Down => (ErrorKind::Unavailable, "redis cannot be reached"),
        _ => (ErrorKind::Unavailable, "redis refused the command"),
    };
    Error::new(kind, operation, message)
}
