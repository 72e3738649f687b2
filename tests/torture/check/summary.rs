//! A history in one paragraph.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{StaleAges, Violation, inversions, violations, violations_within};
use crate::history::{Call, Event, Source};

/// Counts of a history and what the checker says of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Reads that returned, by where their answer came from.
    pub reads: BTreeMap<Source, usize>,
    /// Reads that did not.
    pub lost_reads: usize,
    /// Writes that returned with their invalidation applied.
    pub applied: usize,
    /// Writes that returned with their invalidation pending.
    pub pending: usize,
    /// Writes that did not return.
    pub lost_writes: usize,
    /// Reads that were older than they may be.
    pub violations: Vec<Violation>,
    /// How old those reads were that no regular register would have answered so, also where they may be behind.
    pub ages: StaleAges,
    /// Reads older than an earlier read.
    pub inversions: usize,
    /// The call that took longest.
    pub longest: Option<Event>,
}

impl Summary {
    /// Counts and checks a history.
    #[must_use]
    pub fn of(history: &[Event]) -> Summary {
        Summary::within(Duration::ZERO, history)
    }

    /// The same where reads may be behind the writes of other processes by `bound`.
    #[must_use]
    pub fn within(bound: Duration, history: &[Event]) -> Summary {
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let mut summary = Summary {
            violations: violations_within(bound, history),
            ages: StaleAges::of(&violations(history)),
            inversions: inversions(history),
            longest: longest(history),
            ..Summary::default()
        };
        for event in history {
            summary.count(event);
        }
        summary
    }

    fn count(&mut self, event: &Event) {
        match event.call {
            Call::Read { source, .. } => *self.reads.entry(source).or_default() += 1,
            Call::LostRead => self.lost_reads += 1,
            Call::Write { applied: true, .. } => self.applied += 1,
            Call::Write { applied: false, .. } => self.pending += 1,
            Call::LostWrite => self.lost_writes += 1,
        }
    }

    /// How long the longest call took.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest.as_ref().map_or(Duration::ZERO, Event::duration)
    }

    /// How many reads returned.
    #[must_use]
    pub fn read_count(&self) -> usize {
        self.reads.values().sum()
    }

    /// How many reads had their answer from there.
    #[must_use]
    pub fn read_from(&self, source: Source) -> usize {
        self.reads.get(&source).copied().unwrap_or(0)
    }
}

/// The call that took longest.
pub fn longest<'a>(history: impl IntoIterator<Item = &'a Event>) -> Option<Event> {
    history.into_iter().max_by_key(|event| event.duration()).cloned()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations in {} reads (", self.violations.len(), self.read_count())?;
        for (source, count) in &self.reads {
            write!(f, "{count} {source}, ")?;
        }
        write!(f, "{} lost), ", self.lost_reads)?;
        let Summary { applied, pending, lost_writes, inversions, .. } = self;
        write!(f, "{applied} writes applied, {pending} pending, {lost_writes} lost; ")?;
        write!(f, "ages of stale reads: {}; ", self.ages)?;
        write!(f, "{inversions} reads older than an earlier read; ")?;
        write!(f, "longest call {:?}", self.longest())?;
        self.longest.iter().try_for_each(|call| write!(f, " ({call})"))
    }
}
