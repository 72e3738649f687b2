//! What became of invalidations.

use std::{fmt, sync::Arc};

use crate::{
    key::Key,
    sync::{Mutex, lock},
};

/// How far an invalidation has come when the call that asked for it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// No read that starts now, in any process, is given what was cached before.
    Applied,
    /// This process reads past the cache for the key; other processes may be given the old entry
    /// until the retries get through.
    Pending,
}

impl Outcome {
    /// One word for logs, metrics and headers.
    ///
    /// ```
    /// assert_eq!(cachekit_core::Outcome::Applied.as_str(), "applied");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The invalidations of one call; see [`with_receipt`](crate::with_receipt).
#[derive(Clone, Debug, Default)]
#[must_use = "a pending invalidation is not visible to other processes yet"]
pub struct Receipt {
    entries: Vec<(Key, Outcome)>,
}

impl Receipt {
    /// Each key with its outcome, in the order of the calls.
    pub fn entries(&self) -> &[(Key, Outcome)] {
        &self.entries
    }

    /// [`Outcome::Applied`] if that holds for each key, also if there was none.
    pub fn outcome(&self) -> Outcome {
        let pending = self.entries.iter().any(|(_, outcome)| *outcome == Outcome::Pending);
        if pending { Outcome::Pending } else { Outcome::Applied }
    }
}

/// Where the writers inside a [`with_receipt`](crate::with_receipt) note their outcomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipts(Arc<Mutex<Vec<(Key, Outcome)>>>);

impl Receipts {
    pub(crate) fn add(&self, entries: impl IntoIterator<Item = (Key, Outcome)>) {
        lock(&self.0).extend(entries);
    }

    pub(crate) fn take(&self) -> Receipt {
        Receipt { entries: std::mem::take(&mut *lock(&self.0)) }
    }
}
