//! What the transactions and relays of one cache have in common.

use tokio::sync::Notify;

use super::{doubts::Doubts, outbox::Markers};

/// A cache's side of its databases.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Transactions of which nobody knows what became.
    pub(crate) doubts: Doubts,
    /// Rows that were dealt with.
    pub(crate) markers: Markers,
    /// A relay in this process has something to do.
    pub(crate) wake: Notify,
}

impl Hub {
    pub(crate) fn new(limit: usize) -> Self {
        Self { doubts: Doubts::new(limit), markers: Markers::default(), wake: Notify::new() }
    }
}
