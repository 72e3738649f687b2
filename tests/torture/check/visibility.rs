//! How soon other processes stop serving what a write made stale.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::history::{Call, Event};

/// A process counts as one that served a value if it did so this long before the write returned.
const SERVING: u64 = 100_000_000;

/// For each write and each other process that served the older value: from the write's return to the last read there
/// that began later and was given the older value; nothing if there was none.
#[derive(Clone, Debug, Default)]
pub struct Visibility(Vec<u64>);

impl Visibility {
    /// Measures a history.
    #[must_use]
    pub fn of(history: &[Event]) -> Visibility {
        let mut reads = BTreeMap::<(u32, u32), Vec<(u64, u64)>>::new();
        for event in history {
            if let Call::Read { version, .. } = event.call {
                reads.entry((event.key, event.process)).or_default().push((event.invoked, version));
            }
        }
        reads.values_mut().for_each(|reads| reads.sort_unstable());
        let mut lags = Vec::new();
        for event in history {
            let Call::Write { version, applied: true } = event.call else { continue };
            for ((key, process), reads) in &reads {
                if *key == event.key && *process != event.process {
                    lags.extend(lag(reads, event.returned, version));
                }
            }
        }
        lags.sort_unstable();
        Visibility(lags)
    }

    /// How many times it was measured.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// So many percent were as soon as this.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let place = (self.0.len() * percent / 100).min(last);
        Duration::from_nanos(self.0.get(place).copied().unwrap_or_default())
    }
}

/// `reads` of one process, in order.
fn lag(reads: &[(u64, u64)], returned: u64, version: u64) -> Option<u64> {
    let after = reads.partition_point(|(invoked, _)| *invoked < returned);
    let (_, last) =
        reads[..after].iter().rev().find(|(invoked, _)| invoked + SERVING > returned)?;
    if *last >= version {
        return None;
    }
    // An older value may be read as late as anybody serves it, so all of the rest are looked at.
    let stale = reads[after..].iter().filter(|(_, found)| *found < version);
    Some(stale.map(|(invoked, _)| invoked - returned).max().unwrap_or(0))
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, most] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(
            f,
            "visible after {p50:?} (p50), {p99:?} (p99), {most:?} (at most) in {} cases",
            self.count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Source;

    #[test]
    fn the_last_older_read_of_another_process_counts() {
        let event =
            |process, at, call| Event { process, key: 1, invoked: at, returned: at + 1, call };
        let read = |version| Call::Read { version, source: Source::Cache };
        let history = [
            event(1, 100, read(4)),
            event(0, 110, Call::Write { version: 5, applied: true }),
            event(1, 120, read(4)),
            event(1, 140, read(4)),
            event(1, 150, read(5)),
            // This process did not serve the older value.
            event(2, 100, read(5)),
            event(2, 160, read(5)),
        ];
        let visibility = Visibility::of(&history);
        assert_eq!((visibility.count(), visibility.percentile(50)), (1, Duration::from_nanos(29)));
    }
}
