//! Trying again: one policy for everything that may succeed later, and which errors are of that kind.
//!
//! ```
//! use std::time::Duration;
//! use cachekit_core::retry::{RetryPolicy, retry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let policy = RetryPolicy::new().max_attempts(4).within(Duration::from_secs(10));
//! let text = retry(&policy, || async { Ok::<_, std::io::Error>("read") }).await?;
//! assert_eq!(text, "read");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "_sqlx")]
mod database;
mod jitter;
mod policy;
mod run;
mod transient;
#[cfg(feature = "_sqlx")]
mod unknown;

#[cfg(feature = "_sqlx")]
pub(crate) use database::gave_way;
pub(crate) use jitter::{doubled, full_jitter};
pub use policy::RetryPolicy;
#[cfg(feature = "events")]
pub(crate) use run::Tries;
pub(crate) use run::pause_while;
pub use run::retry;
pub use transient::Transient;
#[cfg(feature = "_sqlx")]
pub use unknown::OutcomeUnknown;
