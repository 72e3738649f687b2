//! Metrics and events: what a cache tells of itself, under the names of one table.

#[cfg(feature = "metrics")]
pub mod names;
mod reporter;
#[cfg(feature = "metrics")]
mod stripes;

pub(crate) use reporter::Reporter;
