//! What a cache is made of: tier, slots, store, clock, limits. It knows nothing of callers.

mod copies;
mod parts;
#[cfg(any(feature = "redis", shuttle))]
mod stamped_copies;

pub(crate) use copies::Copies;
pub(crate) use parts::{Engine, LocalFill};
