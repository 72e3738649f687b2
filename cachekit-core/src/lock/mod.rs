//! Locks that processes share: renewed while they are held, fenced, and told to be lost when they are.

mod acquire;
mod builder;
mod errors;
mod guard;
mod handle;
mod hold;
mod locks;
mod queue;
mod stats;
mod terms;
mod under;

pub(crate) use self::{locks::Locks, under::Under};
pub use self::{builder::Lock, guard::LockGuard, handle::LockHandle};
