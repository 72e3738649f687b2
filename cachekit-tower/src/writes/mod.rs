//! What a request that may have written owes: the invalidation of its keys, before its answer goes out and however its
//! handler ends.

mod at_end;
mod finish;
mod invalidations;
mod owed;
mod verdict;

pub use self::invalidations::Invalidations;
pub(crate) use self::owed::{Owed, Terms};
