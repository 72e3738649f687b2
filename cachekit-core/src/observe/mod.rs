//! Metrics and events: what a cache tells of itself, under the names of one table.

#[cfg(feature = "bloom")]
mod bloom;
mod hook;
mod level;
mod lock;
#[cfg(feature = "metrics")]
pub mod names;
#[cfg(feature = "testing")]
mod recorder;
mod reporter;
#[cfg(feature = "metrics")]
mod stripes;
mod tasks;

#[cfg(feature = "bloom")]
pub(crate) use bloom::{bloom_fill, bloom_verdict};
pub(crate) use hook::Hook;
pub(crate) use level::Level;
#[cfg(any(feature = "redis", feature = "_sqlx"))]
pub(crate) use lock::lock_renewed;
pub(crate) use lock::{lock_asked, lock_contended, lock_held, lock_lost};
#[cfg(feature = "testing")]
pub use recorder::{Recorded, Recorder};
pub(crate) use reporter::Reporter;
pub(crate) use tasks::task_ended;
