//! The engine of cachekit: keys, flights, leases, tiers, invalidation.
//!
//! Services depend on `cachekit`, which re-exports this crate together with the attributes.

#![cfg_attr(docsrs, feature(doc_cfg))]
// A flight has phases, and a store has answers, that only a shared tier brings about; schedules are
// played in tests only.
#![cfg_attr(any(shuttle, not(feature = "redis")), allow(dead_code))]

#[doc(hidden)]
pub mod __private;
pub mod audit;
#[cfg(feature = "bloom")]
pub mod bloom;
mod cache;
mod clock;
#[cfg(feature = "redis")]
mod codec;
pub mod docs;
mod engine;
mod entry;
mod error;
#[cfg(any(feature = "events", feature = "_sqlx"))]
pub mod events;
mod flight;
pub mod key;
mod lock;
mod mutant;
pub mod observe;
#[cfg(feature = "redis")]
mod redis;
pub mod retry;
mod slot;
pub mod sql;
mod store;
mod sync;
pub mod testing;
mod tier;
mod ttl;
mod value;
mod write;

#[cfg(test)]
mod test_cases;

#[cfg(feature = "session")]
pub use crate::cache::{Session, SessionBounds, SessionRefused, SessionSecrets};
#[cfg(any(feature = "redis", feature = "_sqlx"))]
pub use crate::lock::{KeptLock, LockRequest, Locker};
#[cfg(feature = "events")]
pub use crate::write::behind::{Write, WriteBehind, WriteBehindBuilder};
#[cfg(feature = "redis")]
pub use crate::{
    cache::LocalTier,
    codec::Format,
    lock::{Redlock, RedlockBuilder, RedlockGuard},
    redis::RedisOptions,
};
pub use crate::{
    cache::{
        Cache, CacheBuilder, Fence, Fresh, Freshness, HasLife, HasTtl, Health, Life, LocalState,
        Outcome, Peek, Policy, Previous, ReadPreference, Receipt, Scope, Status, StoreChange,
        Tagged, ToldError, Weigh, bypass, inherit, refresh, with_freshness, with_receipt,
        with_status,
    },
    clock::ManualClock,
    error::{Error, ErrorKind},
    key::{Key, KeyArg, Segment, SegmentWriter, text},
    lock::{Lock, LockGuard, LockHandle},
    sql::{Conflict, InTransaction, IsConflict, expect_updated, retry_on_conflict},
    ttl::Ttl,
    value::Value,
    write::DeadLetter,
};
#[cfg(feature = "_sqlx")]
pub use crate::{
    lock::{SqlLock, SqlLockGuard, fencing},
    retry::OutcomeUnknown,
    sql::{Committed, Savepoint, Transaction, outbox},
};
