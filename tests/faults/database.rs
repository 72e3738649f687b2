//! A database in memory: rows with versions, and how many loads it bears at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How many rows there are.
pub(crate) const ROWS: u64 = 16;

/// Rows from here on are never written.
pub(crate) const CONSTANT: u64 = 12;

/// The rows, and what is known of the writes to them.
#[derive(Debug, Default)]
pub(crate) struct Database {
    rows: [AtomicU64; ROWS as usize],
    returned: [AtomicU64; ROWS as usize],
    applied: [AtomicU64; ROWS as usize],
}

impl Database {
    /// Commits a new version of a row.
    pub(crate) fn write(&self, row: u64) -> u64 {
        self.rows[row as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The write of `version` has returned to its caller, `applied` or pending.
    pub(crate) fn returned(&self, row: u64, version: u64, applied: bool) {
        self.returned[row as usize].fetch_max(version, Ordering::SeqCst);
        if applied {
            self.applied[row as usize].fetch_max(version, Ordering::SeqCst);
        }
    }

    /// The oldest version that a read beginning now may see, in the writer's process or in another.
    pub(crate) fn oldest(&self, row: u64, is_writer: bool) -> u64 {
        let versions = if is_writer { &self.returned } else { &self.applied };
        versions[row as usize].load(Ordering::SeqCst)
    }

    /// The committed version.
    pub(crate) fn now(&self, row: u64) -> u64 {
        self.rows[row as usize].load(Ordering::SeqCst)
    }
}

/// How many loads of one process run, and ran at most, at once.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    /// Reads a row: the version of the beginning, a millisecond later.
    pub(crate) async fn load(&self, database: &Database, row: u64) -> Result<u64, ()> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let _leave = Leave(self);
        let version = database.now(row);
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(version)
    }

    /// Forgets the most so far.
    pub(crate) fn reset(&self) {
        self.most.store(0, Ordering::SeqCst);
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

struct Leave<'a>(&'a Gauge);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
