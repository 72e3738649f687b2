//! Redlock: a lock that a majority of independent servers vote for.

mod ballot;
mod builder;
mod locker;
mod quorum;

use self::locker::Inner;
pub use self::{
    builder::RedlockBuilder,
    locker::{Redlock, RedlockGuard},
};
