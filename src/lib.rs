#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub use cachekit_core::__private;
#[doc(inline)]
pub use cachekit_core::{
    Cache, CacheBuilder, Conflict, DeadLetter, Error, ErrorKind, InTransaction, IsConflict, Key,
    KeyArg, Outcome, Peek, Policy, Receipt, Scope, Segment, SegmentWriter, Status, Ttl, Value,
    Weigh, audit, bypass, docs, expect_updated, inherit, key as keys, observe, refresh, retry,
    retry_on_conflict, sql, testing, text, with_receipt, with_status,
};
#[cfg(any(
    feature = "events",
    feature = "sqlx-postgres",
    feature = "sqlx-mysql",
    feature = "sqlx-sqlite"
))]
#[doc(inline)]
pub use cachekit_core::events;
#[cfg(feature = "events")]
#[doc(inline)]
pub use cachekit_core::{Write, WriteBehind, WriteBehindBuilder};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use cachekit_core::{Format, RedisOptions};
#[doc(inline)]
pub use cachekit_macros::{Segment, cached, invalidates, isolated, key};
#[cfg(feature = "tower")]
#[doc(inline)]
pub use cachekit_tower as tower;
