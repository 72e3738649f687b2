//! Metrics and events: what a cache tells of itself, under the names of one table.

mod hook;
mod level;
#[cfg(feature = "metrics")]
pub mod names;
mod reporter;
#[cfg(feature = "metrics")]
mod stripes;

pub(crate) use hook::Hook;
pub(crate) use level::Level;
pub(crate) use reporter::Reporter;
