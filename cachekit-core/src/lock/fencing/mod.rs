//! Fencing numbers in SQL: a write is refused when a later holder of its lock has been there before.
//!
//! A lease protects nothing by itself: a process may be stopped while it holds a lock, and write when it is continued,
//! long after somebody else has taken the lock. No clock and no watchdog prevents that; the database can. Each
//! acquisition has a number that is higher than all before it, and the table `cachekit_fences` has the highest number
//! that was shown for a resource. [`LockGuard::fence`](crate::LockGuard::fence) shows it **inside the transaction**
//! that does the work:
//!
//! * a lower number than the one that is there is refused with [`ErrorKind::Fenced`](crate::ErrorKind::Fenced);
//! * otherwise it is written, and the row belongs to the transaction until its end. Whoever comes with a higher number
//!   waits for that, and whoever comes with a lower one afterwards is refused.
//!
//! **Show the number first, then read, then write.** What was read before it was shown may be what a former holder is
//! about to change.
//!
//! Two holders have the same number if Redis lost its data after the first was given it and before the first showed it.
//! So the row says whose number it is: the first to show it has it, the other is refused.
//! [`Cache::fencing_floor`](crate::Cache::fencing_floor) keeps the numbers growing when Redis has lost its data.
//!
//! # A column of your own
//!
//! Where the row that is written has a column for the number, the condition is part of the statement, and there is no
//! other table. Here too the number comes first if anything is read:
//!
//! ```text
//! UPDATE orders SET fence = $token WHERE id = $id AND fence <= $token     -- 0 rows: a later holder was here
//! SELECT … FROM orders WHERE id = $id
//! UPDATE orders SET state = …  WHERE id = $id AND fence = $token
//! ```
//!
//! in one transaction, with [`expect_unfenced`] after each statement that writes. A write that is told by nothing that
//! was read is one statement: `UPDATE orders SET state = …, fence = $token WHERE id = $id AND fence <= $token`.
//! A column has no place for whose number it is: after Redis has lost its data two holders may have the same one, unless
//! each showed it, in that column, before the next asked for the floor.

mod column;
mod errors;
mod floor;
mod guards;
mod migrate;
mod number;

#[cfg(feature = "sqlx-mysql")]
pub use self::migrate::MYSQL_SCHEMA;
#[cfg(feature = "sqlx-postgres")]
pub use self::migrate::POSTGRES_SCHEMA;
#[cfg(feature = "sqlx-sqlite")]
pub use self::migrate::SQLITE_SCHEMA;
pub(super) use self::errors::of_database;
pub use self::{column::expect_unfenced, migrate::migrate, number::Fence};
pub use super::database::LockDatabase;
#[doc(hidden)]
pub use super::database::sealed;
