//! The engine of cachekit: keys, flights, leases, tiers, invalidation.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[allow(dead_code, unused_imports)]
mod clock;
#[cfg(feature = "redis")]
#[allow(dead_code, unused_imports)]
mod codec;
#[cfg(feature = "redis")]
#[allow(dead_code, unused_imports)]
mod entry;
mod error;
pub mod key;
#[cfg(feature = "redis")]
#[allow(dead_code, unused_imports)]
mod redis;
mod ttl;

#[cfg(test)]
mod test_cases;

pub use crate::{
    clock::ManualClock,
    error::{Error, ErrorKind},
    key::{Key, KeyArg, Segment, SegmentWriter, text},
    ttl::Ttl,
};
#[cfg(feature = "redis")]
pub use crate::{codec::Format, redis::RedisOptions};
