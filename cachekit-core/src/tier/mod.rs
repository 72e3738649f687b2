//! The in-process tier: a bounded map of typed values, and how far they may be behind the shared tier.

mod coherence;
mod entry;
mod map;

pub(crate) use coherence::{Coherence, View};
pub(crate) use entry::{Entry, Extra};
pub(crate) use map::{Bound, Fallen, Map};
