//! Locks that a database keeps.

mod enter;
mod locks;
mod seize;
mod session;

use self::locks::{ANSWER, row};
pub use self::locks::{SqlLock, SqlLockGuard};
