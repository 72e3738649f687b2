//! Per-key slots: flights, tickets, dirty counts, watches. A slot lives while any of them is in use.

mod registry;
mod ticket;

use std::sync::Arc;

use registry::Detached;
pub(crate) use registry::Registry;
pub(crate) use ticket::Ticket;

use crate::flight::Flight;

/// What this process knows of one key besides its value.
#[derive(Debug, Default)]
struct Slot {
    /// Counts what makes an older load's value unfit for the in-process tier.
    epoch: u64,
    /// Counts invalidations, and what a writer wrote in the place of one.
    invalidations: u64,
    /// Who compares that count with an earlier one.
    watches: u32,
    /// Loads under way that may still insert.
    tickets: u32,
    /// Writers whose invalidation has not reached every tier.
    dirty: u32,
    current: Option<Arc<Flight>>,
    next: Option<Arc<Flight>>,
}

impl Slot {
    fn is_unused(&self) -> bool {
        self.tickets == 0
            && self.watches == 0
            && self.dirty == 0
            && self.current.is_none()
            && self.next.is_none()
    }
}
