//! The database: a row that counts its versions, and what its readers and writers may expect.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use super::{
    scenario::Scenario,
    server::{dawdle, dawdle_or_more, percent},
};

/// A row. Its version is how often it was written; at odd versions an optional reader finds none.
#[derive(Debug, Default)]
pub(super) struct Database {
    version: AtomicU64,
    /// The newest version whose write has returned as applied.
    returned: AtomicU64,
    /// The newest version whose write has returned in that process.
    returned_in: [AtomicU64; 2],
    /// The newest version that a read has returned.
    seen: AtomicU64,
    /// Whether reads must not go back in time (ATOM), besides REG.
    atomic: bool,
    /// How often a load fails, in percent.
    failures: u32,
    /// Whether loads take long after they have read the row.
    slow: bool,
    loads: AtomicUsize,
    violations: Mutex<Vec<String>>,
}

/// What a read returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Version(u64),
    Absent,
}

/// A load that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unlucky;

impl Database {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            atomic: scenario.atomic,
            failures: scenario.failing_loads,
            slow: scenario.slow_replies,
            ..Self::default()
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    pub(super) fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }

    /// Writes the row.
    pub(super) fn commit(&self) -> u64 {
        self.version.fetch_add(1, SeqCst) + 1
    }

    /// Reads the row, at some moment of the load.
    pub(super) async fn load(&self) -> Result<u64, Unlucky> {
        self.loads.fetch_add(1, SeqCst);
        dawdle().await;
        let version = self.version();
        dawdle_or_more(self.slow).await;
        if percent() < self.failures { Err(Unlucky) } else { Ok(version) }
    }

    /// The write of that version returned: every process shall see it, or only `process` if the
    /// invalidation is pending.
    pub(super) fn returned(&self, version: u64, applied: bool, process: Option<usize>) {
        if applied {
            self.returned.fetch_max(version, SeqCst);
        }
        if let Some(process) = process {
            self.returned_in[process].fetch_max(version, SeqCst);
        }
    }

    /// The oldest version that a read in `process` that begins now may return.
    pub(super) fn floor(&self, process: usize) -> u64 {
        let seen = if self.atomic { self.seen.load(SeqCst) } else { 0 };
        let own = self.returned_in[process].load(SeqCst);
        self.returned.load(SeqCst).max(own).max(seen)
    }

    /// A read returned, which was begun when `floor` was due.
    pub(super) fn check(&self, floor: u64, found: Found) {
        let newest = self.version();
        let fine = match found {
            Found::Version(version) => {
                self.seen.fetch_max(version, SeqCst);
                (floor..=newest).contains(&version)
            }
            Found::Absent => (floor..=newest).any(|version| version % 2 == 1),
        };
        if !fine {
            self.complain(format!("stale: {found:?} was read, {floor} or newer was due"));
        }
    }

    pub(super) fn complain(&self, what: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Fails the test if a rule was broken.
    pub(super) fn judge(&self) {
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(violations.is_empty(), "{}", violations.join("; "));
    }
}
