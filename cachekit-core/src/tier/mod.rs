//! The in-process tier: a bounded map of typed values.

mod entry;
mod map;

pub(crate) use entry::{Entry, Extra};
pub(crate) use map::{Bound, Fallen, Map};
