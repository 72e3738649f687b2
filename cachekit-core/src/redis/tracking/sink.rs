//! Whoever keeps copies, as the link that tracks them sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How changes are to be tracked.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    /// Who is told.
    pub(crate) sink: Arc<dyn Sink>,
    /// How often a heartbeat is sent.
    pub(crate) heartbeat: Duration,
}

/// Is told of changes, in the order in which the server made them, by the task that reads the connection: nothing
/// here may wait.
pub(crate) trait Sink: fmt::Debug + Send + Sync + 'static {
    /// What time it is on the clock that copies go by; never 0.
    fn now_ms(&self) -> u64;

    /// Values come from this server from now on.
    fn primary(&self, incarnation: &str);

    /// A tracking link is about to be made; its number.
    fn open(&self) -> u64;

    /// The server tells this link of everything from now on.
    fn up(&self, link: u64);

    /// Something happened to the key with this text.
    fn changed(&self, key: &str);

    /// Every key is gone.
    fn flushed(&self);

    /// The heartbeat that was sent at `sent_ms` came back over this link.
    fn echoed(&self, link: u64, sent_ms: u64);

    /// The link is gone.
    fn lost(&self, link: u64);

    /// Called about as often as a heartbeat is due.
    fn tick(&self);
}
