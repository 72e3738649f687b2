//! What was done to a run, and how often.

use std::{collections::BTreeMap, fmt};

/// Faults by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<&'static str, u64>);

impl Faults {
    /// Counts one more of this kind.
    pub fn note(&mut self, kind: &'static str) {
        self.add(kind, 1);
    }

    /// Counts so many of this kind.
    pub fn add(&mut self, kind: &'static str, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// Counts the others as well.
    pub fn merge(&mut self, others: &Faults) {
        others.0.iter().for_each(|(kind, count)| self.add(kind, *count));
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many kinds there were.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.0.len()
    }

    /// By kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.iter().map(|(kind, count)| format!("{count} {kind}"));
        write!(
            f,
            "{} faults of {} kinds ({})",
            self.count(),
            self.kinds(),
            kinds.collect::<Vec<_>>().join(", ")
        )
    }
}
