//! What came of a run.

use std::{fmt::Write as _, time::Duration};

use super::{faults::Faults, setup::Setup};
use crate::{
    check::{Summary, context},
    history::Event,
};

/// No call takes longer, whatever fails. What may add up: another's load that fails before this caller's own, each of
/// them with its wait for a connection and for a lock, and processes that are stopped meanwhile.
const LIMIT: Duration = Duration::from_secs(25);

/// Whatever is to be empty or zero when all has come to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Outbox rows that nobody has dealt with.
    pub pending: i64,
    /// Reads that did not find what the database has.
    pub unsettled: usize,
    /// Leases that outlived their time.
    pub leases: usize,
}

/// A run and its verdict.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What ran.
    pub setup: Setup,
    /// On which database.
    pub database: &'static str,
    /// What was done to it.
    pub faults: Faults,
    /// What its callers and loaders did to it.
    pub mishaps: Faults,
    /// What the checker says.
    pub summary: Summary,
    /// What was left behind.
    pub wrong: Wrong,
    /// Every call.
    pub history: Vec<Event>,
}

impl Outcome {
    /// How many calls returned.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.summary.read_count() + self.summary.applied + self.summary.pending
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let in_time = self.summary.longest() < LIMIT;
        self.summary.violations.is_empty() && self.wrong == Wrong::default() && in_time
    }

    /// # Panics
    /// When a promise was broken; it says what it takes to repeat the run, and shows the first violations.
    pub fn assert_right(&self) {
        assert!(self.is_right(), "{}", self.explain());
    }

    /// The run in one paragraph.
    #[must_use]
    pub fn brief(&self) -> String {
        let Outcome { setup, database, faults, mishaps, summary, wrong, .. } = self;
        let Setup { subject, seconds, seed, .. } = setup;
        format!(
            "{subject} on {database}, {seconds} s, seed {seed}: {summary}; {wrong:?}; {faults}; {mishaps}"
        )
    }

    /// The first violations, each with the last events of its key.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = self.brief();
        for violation in self.summary.violations.iter().take(3) {
            let _ = writeln!(text, "\n{}: {}", self.history[violation.read], violation.fault);
            for event in context(&self.history, *violation, 40) {
                let _ = writeln!(text, "    {event}");
            }
        }
        text
    }
}
