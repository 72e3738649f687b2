//! Metrics and events: what a cache tells of itself, under the names of one table.

mod hook;
#[cfg(feature = "metrics")]
pub mod names;
mod reporter;
#[cfg(feature = "metrics")]
mod stripes;

pub(crate) use hook::Hook;
pub(crate) use reporter::Reporter;
