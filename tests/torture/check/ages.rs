//! How old stale reads were: not only how many there are.

use std::{fmt, time::Duration};

use super::{Fault, Violation};

/// The ages of all stale reads of a history, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaleAges(Vec<u64>);

impl StaleAges {
    /// Of these violations; reads from the future have no age.
    #[must_use]
    pub fn of(violations: &[Violation]) -> StaleAges {
        let age = |violation: &Violation| match violation.fault {
            Fault::Stale { age } => Some(age),
            Fault::FromTheFuture => None,
        };
        let mut ages = violations.iter().filter_map(age).collect::<Vec<_>>();
        ages.sort_unstable();
        StaleAges(ages)
    }

    /// So many percent were at most this old; nothing if none was stale.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        let place = (self.0.len() * percent / 100).min(last);
        Some(Duration::from_nanos(self.0[place]))
    }
}

impl fmt::Display for StaleAges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [Some(half), Some(most), Some(all)] = [50, 99, 100].map(|part| self.percentile(part))
        else {
            return f.write_str("none");
        };
        write!(f, "{half:.1?} (p50), {most:.1?} (p99), {all:.1?} (at most)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_stale_reads_alone() {
        let stale = |age| Violation { read: 0, fault: Fault::Stale { age } };
        let future = Violation { read: 1, fault: Fault::FromTheFuture };
        assert_eq!(StaleAges::of(&[future]).percentile(100), None);
        let ages = StaleAges::of(&[stale(9), future, stale(1), stale(4)]);
        let found = [0, 50, 100].map(|percent| ages.percentile(percent));
        assert_eq!(found, [1, 4, 9].map(|age| Some(Duration::from_nanos(age))));
    }
}
