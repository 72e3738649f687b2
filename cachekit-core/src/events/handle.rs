//! A consumer that runs.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::work::Worker;
use super::{DeadEvent, Lag};
use crate::redis::{Backlog, StoreError, StreamError, Wire};
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
        let operation = "measure lag";
        let backlog = match self.worker.group.backlog().await {
            Ok(backlog) => backlog,
            Err(StreamError::NoGroup) => Backlog::default(),
            Err(StreamError::Store(error)) => return Err(failed(operation, error)),
        };
        let dead = self.worker.grave.dead.len().await;
        let dead = dead.map_err(|error| failed(operation, error))?;
        let Backlog { pending, waiting, oldest } = backlog;
        Ok(Lag { pending, waiting, oldest, dead })
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
