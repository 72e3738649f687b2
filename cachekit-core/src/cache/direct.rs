//! Reads that run their body and touch no cache.

use super::Step;

/// A read past the cache.
#[derive(Debug, Default)]
pub(crate) struct Direct;

impl Direct {
    pub(crate) fn next(&self) -> Step {
        Step::Load
    }
}
