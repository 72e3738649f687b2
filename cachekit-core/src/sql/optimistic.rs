//! Optimistic concurrency: change a row only if nobody else did since it was read, else read it again.

use std::{error, fmt};

use crate::retry::{RetryPolicy, pause_while};

/// Runs `attempt` again while it ends in a conflict with somebody else, as often as the policy allows.
///
/// An attempt reads the row with its version, past every cache, and writes it with `… SET version = version + 1 WHERE
/// id = $1 AND version = $2`; [`expect_updated`] turns "no row was changed" into a [`Conflict`]. Of the attempts that
/// read one version exactly one succeeds; the others come again after a pause with full jitter. Where many fight for one
/// row, give more attempts, or lock it with `SELECT … FOR UPDATE` instead.
///
/// Deadlocks and serialization failures of the database count as conflicts; other errors end it at once.
///
/// ```
/// use std::cell::Cell;
/// use cachekit_core::retry::RetryPolicy;
/// use cachekit_core::{Conflict, expect_updated, retry_on_conflict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Conflict> {
/// let version = Cell::new(4);
/// retry_on_conflict(&RetryPolicy::default(), || async {
///     let read = version.get();
///     // UPDATE items SET stock = .., version = version + 1 WHERE id = .. AND version = <read>
///     let rows_affected = u64::from(version.get() == read);
///     expect_updated(&rows_affected)?;
///     version.set(read + 1);
///     Ok::<_, Conflict>(())
/// })
/// .await?;
/// assert_eq!(version.get(), 5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What the last attempt returned. A [`Conflict`] then says how many attempts there were.
///
/// # Cancel safety
///
/// Dropped at a pause, no other attempt is begun; dropped in mid-attempt, that attempt's future is dropped, and its
/// transaction is rolled back as sqlx does that.
pub async fn retry_on_conflict<T, E, F, Fut>(policy: &RetryPolicy, attempt: F) -> Result<T, E>
where
    E: IsConflict,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let (result, attempts) = pause_while(policy, attempt, E::is_conflict).await;
    result.map_err(|error| if error.is_conflict() { error.given_up(attempts) } else { error })
}

/// Errors that may be a conflict with somebody else who changed the same row.
///
/// Implemented for [`Conflict`], `sqlx::Error` (deadlocks and serialization failures) and boxed errors that hold one of
/// them. For an error type of your own pass the question on:
///
/// ```
/// use cachekit_core::{Conflict, IsConflict};
///
/// enum OrderError {
///     Conflict(Conflict),
///     SoldOut,
/// }
///
/// impl IsConflict for OrderError {
///     fn is_conflict(&self) -> bool {
///         matches!(self, OrderError::Conflict(_))
///     }
/// }
/// # assert!(!OrderError::SoldOut.is_conflict());
/// ```
pub trait IsConflict: Sized {
    /// Whether another attempt, on what is there now, may succeed.
    fn is_conflict(&self) -> bool;

    /// Called with the conflict that ended the last of so many attempts; returns it as it is, unless it can tell.
    #[must_use]
    fn given_up(self, attempts: u32) -> Self {
        let _ = attempts;
        self
    }
}

/// Somebody else changed the row since it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conflict {
    attempts: u32,
}

impl Conflict {
    /// A conflict in one attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self { attempts: 0 }
    }

    /// How many attempts ended like this; 0 if nobody counted.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            0 => f.write_str("update row: somebody else changed it since it was read"),
            n => write!(
                f,
                "update row: somebody else changed it in each of {n} attempts; \
                 allow more of them, or lock the row when it is read"
            ),
        }
    }
}

impl error::Error for Conflict {}

impl IsConflict for Conflict {
    fn is_conflict(&self) -> bool {
        true
    }

    fn given_up(self, attempts: u32) -> Self {
        Self { attempts }
    }
}

#[cfg(feature = "_sqlx")]
impl IsConflict for sqlx::Error {
    fn is_conflict(&self) -> bool {
        crate::retry::gave_way(self)
    }
}

/// A database that gave way while it was asked for something, such as to
/// [show a fencing number](crate::LockGuard::fence).
#[cfg(feature = "_sqlx")]
impl IsConflict for crate::Error {
    fn is_conflict(&self) -> bool {
        let source = error::Error::source(self);
        source.and_then(|source| source.downcast_ref()).is_some_and(sqlx::Error::is_conflict)
    }
}

impl IsConflict for Box<dyn error::Error + Send + Sync> {
    fn is_conflict(&self) -> bool {
        #[cfg(feature = "_sqlx")]
        if let Some(error) = self.downcast_ref::<sqlx::Error>() {
            return error.is_conflict();
        }
        #[cfg(feature = "_sqlx")]
        if let Some(error) = self.downcast_ref::<crate::Error>() {
            return error.is_conflict();
        }
        self.is::<Conflict>()
    }

    fn given_up(mut self, attempts: u32) -> Self {
        if let Some(conflict) = self.downcast_mut::<Conflict>() {
            *conflict = conflict.given_up(attempts);
        }
        self
    }
}

/// `Ok` if an `UPDATE … WHERE version = …` found its row.
///
/// # Errors
///
/// [`Conflict`] if it changed no row: another writer was faster, or the row is gone.
pub fn expect_updated(result: &impl Updated) -> Result<(), Conflict> {
    if result.rows() == 0 { Err(Conflict::new()) } else { Ok(()) }
}

/// What says how many rows a statement changed: the results of sqlx, or the number itself.
pub trait Updated {
    /// How many.
    fn rows(&self) -> u64;
}

impl Updated for u64 {
    fn rows(&self) -> u64 {
        *self
    }
}

#[cfg(feature = "sqlx-postgres")]
impl Updated for sqlx::postgres::PgQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

#[cfg(feature = "sqlx-mysql")]
impl Updated for sqlx::mysql::MySqlQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

#[cfg(feature = "sqlx-sqlite")]
impl Updated for sqlx::sqlite::SqliteQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn conflict_that_does_not_end_says_how_often_it_was_tried() {
        let policy = RetryPolicy::new().max_attempts(3);
        let result = retry_on_conflict(&policy, || async { expect_updated(&0) }).await;
        assert_eq!(result.unwrap_err().attempts(), 3);
        let boxed = retry_on_conflict(&policy, || async {
            expect_updated(&0)?;
            Ok::<_, Box<dyn error::Error + Send + Sync>>(())
        });
        let text = boxed.await.unwrap_err().to_string();
        assert!(text.contains("in each of 3 attempts"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_end_it_at_once() {
        let tries = Cell::new(0);
        let policy = RetryPolicy::new();
        let result = retry_on_conflict(&policy, || async {
            tries.set(tries.get() + 1);
            Err::<(), Box<dyn error::Error + Send + Sync>>("sold out".into())
        });
        assert_eq!(result.await.unwrap_err().to_string(), "sold out");
        assert_eq!(tries.get(), 1);
    }
}
