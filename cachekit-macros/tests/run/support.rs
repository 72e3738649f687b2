//! What the tests share.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts how often a body ran.
#[derive(Default)]
pub(crate) struct Runs(AtomicU32);

impl Runs {
    /// One more; how many that makes.
    pub(crate) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many so far.
    pub(crate) fn so_far(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An error that cannot be cloned.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}
