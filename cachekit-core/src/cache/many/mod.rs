//! Many keys at once: one write to the store, one load for all that is missing, and each key for itself.
//!
//! Every key has a flight, a lease and a verdict of its own, so a batch shares with single reads and
//! other batches whatever they share with one another. A batch loads what it leads before it waits
//! for others: of two that overlap none waits for the other for ever.

mod batch;
mod get_many;
#[cfg(any(feature = "redis", shuttle))]
mod lead;
mod look;
mod part;
mod settle;
mod together;
mod wait;
mod way;

#[cfg(shuttle)]
pub(crate) use together::together;
pub(crate) use way::{Many, ManyStep};
