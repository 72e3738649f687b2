#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub use cachekit_core::__private;
#[cfg(feature = "bloom")]
#[doc(inline)]
pub use cachekit_core::bloom;
#[cfg(any(
    feature = "events",
    feature = "sqlx-postgres",
    feature = "sqlx-mysql",
    feature = "sqlx-sqlite"
))]
#[doc(inline)]
pub use cachekit_core::events;
#[doc(inline)]
pub use cachekit_core::{
    Cache, CacheBuilder, Conflict, DeadLetter, Error, ErrorKind, Fence, Fresh, Freshness, HasTtl,
    Health, InTransaction, IsConflict, Key, KeyArg, LocalState, Lock, LockGuard, LockHandle,
    Outcome, Peek, Policy, Previous, ReadPreference, Receipt, Scope, Segment, SegmentWriter,
    Status, StoreChange, Tagged, Ttl, Value, Weigh, audit, bypass, docs, expect_updated, inherit,
    key as keys, observe, refresh, retry, retry_on_conflict, sql, testing, text, with_freshness,
    with_receipt, with_status,
};
#[cfg(any(feature = "sqlx-postgres", feature = "sqlx-mysql", feature = "sqlx-sqlite"))]
#[doc(inline)]
pub use cachekit_core::{
    Committed, OutcomeUnknown, Savepoint, SqlLock, SqlLockGuard, Transaction, fencing, outbox,
};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use cachekit_core::{Format, LocalTier, RedisOptions, Redlock, RedlockBuilder, RedlockGuard};
#[cfg(any(
    feature = "redis",
    feature = "sqlx-postgres",
    feature = "sqlx-mysql",
    feature = "sqlx-sqlite"
))]
#[doc(inline)]
pub use cachekit_core::{KeptLock, LockRequest, Locker};
#[cfg(feature = "session")]
#[doc(inline)]
pub use cachekit_core::{Session, SessionBounds, SessionRefused, SessionSecrets};
#[cfg(feature = "events")]
#[doc(inline)]
pub use cachekit_core::{Write, WriteBehind, WriteBehindBuilder};
#[doc(inline)]
pub use cachekit_macros::{Segment, cached, invalidates, isolated, key, locked, writes_through};
#[cfg(feature = "tower")]
#[doc(inline)]
pub use cachekit_tower as tower;

// The examples of these chapters need this crate's features.
#[cfg(doctest)]
#[doc = include_str!("../cachekit-core/src/docs/invalidation.md")]
mod invalidation {}

#[cfg(doctest)]
#[doc = include_str!("../cachekit-core/src/docs/locks.md")]
mod locks {}
