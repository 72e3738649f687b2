//! The engine of cachekit: keys, flights, leases, tiers, invalidation.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg_attr(not(test), expect(dead_code))]
mod clock;
mod error;
pub mod key;
mod ttl;

#[cfg(test)]
mod test_cases;

pub use crate::{
    clock::ManualClock,
    error::{Error, ErrorKind},
    key::{Key, KeyArg, Segment, SegmentWriter, text},
    ttl::Ttl,
};
