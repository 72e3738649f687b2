//! Locks that processes share: renewed while they are held, fenced, and told to be lost when they are.

mod acquire;
mod builder;
mod errors;
mod guard;
mod handle;
#[cfg(feature = "redis")]
mod held;
mod hold;
#[cfg(feature = "redis")]
mod keeper;
#[cfg(feature = "redis")]
mod lease;
mod locks;
mod queue;
#[cfg(feature = "redis")]
mod remote;
mod stats;
mod terms;
mod tie;
#[cfg(feature = "redis")]
mod wait;

pub(crate) use self::locks::Locks;
pub use self::{builder::Lock, guard::LockGuard, handle::LockHandle};
