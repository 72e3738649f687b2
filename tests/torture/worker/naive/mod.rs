//! The textbook's ways to keep a cache before a database, as services write them. Each of them serves stale reads.

mod flights;
mod local_tier;
mod shared;

pub(crate) use flights::Flights;
pub(crate) use local_tier::LocalTier;
pub(crate) use shared::Naive;
