//! Locks that processes share: renewed while they are held, fenced, and told to be lost when they are.

mod acquire;
mod builder;
#[cfg(feature = "_sqlx")]
mod database;
mod errors;
#[cfg(feature = "_sqlx")]
pub mod fencing;
mod guard;
mod handle;
#[cfg(feature = "redis")]
mod held;
mod hold;
#[cfg(feature = "redis")]
mod keeper;
#[cfg(any(feature = "redis", feature = "_sqlx"))]
mod keeping;
#[cfg(feature = "redis")]
mod lease;
mod locks;
mod queue;
#[cfg(feature = "redis")]
mod redlock;
#[cfg(feature = "redis")]
mod remote;
#[cfg(any(feature = "redis", feature = "_sqlx"))]
mod request;
#[cfg(feature = "_sqlx")]
mod sql;
mod stats;
mod terms;
mod tie;
mod under;
#[cfg(feature = "redis")]
mod wait;

#[cfg(feature = "redis")]
pub use self::redlock::{Redlock, RedlockBuilder, RedlockGuard};
#[cfg(any(feature = "redis", feature = "_sqlx"))]
pub use self::request::{KeptLock, LockRequest, Locker};
#[cfg(feature = "_sqlx")]
pub use self::sql::{SqlLock, SqlLockGuard};
pub use self::{builder::Lock, guard::LockGuard, handle::LockHandle};
pub(crate) use self::{locks::Locks, under::Under};
