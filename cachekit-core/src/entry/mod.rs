//! The bytes of a Redis key of ours: a frozen header, and what follows it in values.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | magic `0xCA` |
//! | 1 | 1 | format, 1 |
//! | 2 | 1 | kind: `V` value, `N` negative, `L` lease, `T` tombstone, `I` inhibit |
//! | 3 | 1 | flags |
//! | 4 | 16 | id |
//! | 20 | 8 | floor: never falls while the key exists; rewritten in place by scripts |
//! | 28 | 8 | version of the value (from here on: values and negatives only) |
//! | 36 | 8 | as-of, in wall-clock milliseconds |
//! | 44 | 4 | soft TTL in milliseconds |
//! | 48 | 4 | cost of the load in milliseconds |
//! | 52 | 4 | schema hash |
//! | 56 | | with tags: a byte with their number, then 16 bytes for each: the tag's hash, its generation |
//! | | | payload, then the CRC-32C of everything from offset 28 |
//!
//! All integers are big-endian. **The first 28 bytes never change**: every release reads those of every other.

#[cfg(feature = "redis")]
mod header;
mod id;
#[cfg(feature = "redis")]
mod id_source;
#[cfg(feature = "redis")]
mod parse;
mod stamp;
#[cfg(all(test, feature = "redis"))]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(feature = "redis")]
mod write;

#[cfg(any(feature = "redis", shuttle))]
pub(crate) use self::stamp::{Standing, standing};
#[cfg(all(feature = "redis", any(test, not(feature = "compress"))))]
pub(crate) use self::write::EntryWriter;
#[cfg(all(feature = "redis", any(test, feature = "compress", feature = "testing")))]
pub(crate) use self::write::encode_value;
#[cfg(feature = "redis")]
pub(crate) use self::{
    header::{LEASE_LEN, flags},
    id_source::IdSource,
    parse::{Entry, Parsed, stamps},
    write::{Meta, encode_negative, lease_bytes, tombstone_bytes},
};
pub(crate) use self::{
    id::Id,
    stamp::{Stamp, Stamps},
};
