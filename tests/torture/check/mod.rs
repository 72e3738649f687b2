//! Decides whether a history is that of a regular register, per key, in O(n log n).
//!
//! A read must return no version older than that of any write that returned before the read began.
//! A write whose invalidation is pending binds the readers of its own process only. A write that
//! never returned binds nobody, and may be seen or not. Where processes keep copies, a write binds the readers of
//! other processes only some time after it returned.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use crate::history::{Call, Event};

mod ages;
mod overtaken;
mod settled;
mod summary;
mod visibility;

#[cfg(test)]
mod brute;
#[cfg(test)]
mod tests;

pub use ages::StaleAges;
use overtaken::Overtaken;
pub use settled::unsettled;
pub use summary::{Summary, longest};
pub use visibility::Visibility;

/// A read that a regular register would not have answered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The read, as an index into the history.
    pub read: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A newer version's write had returned before the read began.
    Stale {
        /// How long before, in nanoseconds, less what reads may be behind.
        age: u64,
    },
    /// No write of this version had begun when the read returned.
    FromTheFuture,
}

/// All violations in the history, in its order.
#[must_use]
pub fn violations(history: &[Event]) -> Vec<Violation> {
    violations_within(0, history)
}

/// The same where reads may be behind the writes of other processes by `bound` nanoseconds; behind those of their own
/// process they may never be.
#[must_use]
pub fn violations_within(bound: u64, history: &[Event]) -> Vec<Violation> {
    let registers = registers(history);
    let fault = |(read, event): (usize, &Event)| {
        let fault = registers.get(&event.key)?.fault(event, bound)?;
        Some(Violation { read, fault })
    };
    history.iter().enumerate().filter_map(fault).collect()
}

/// How many reads returned an older version than a read that had returned before they began. A regular
/// register may do that, an atomic one may not.
#[must_use]
pub fn inversions(history: &[Event]) -> usize {
    let mut seen = BTreeMap::<u32, Vec<(u64, u64)>>::new();
    for event in history {
        if let Call::Read { version, .. } = event.call {
            seen.entry(event.key).or_default().push((version, event.returned));
        }
    }
    let seen = seen
        .into_iter()
        .map(|(key, reads)| (key, Overtaken::new(reads)))
        .collect::<BTreeMap<_, _>>();
    let inverted = |event: &&Event| match event.call {
        Call::Read { version, .. } => {
            seen[&event.key].since(version).is_some_and(|since| since < event.invoked)
        }
        _ => false,
    };
    history.iter().filter(inverted).count()
}

/// The last `limit` events of the violating read's key that began before it returned, oldest first.
#[must_use]
pub fn context(history: &[Event], violation: Violation, limit: usize) -> Vec<&Event> {
    let read = &history[violation.read];
    let before = |event: &&Event| event.key == read.key && event.invoked <= read.returned;
    let mut events = history.iter().filter(before).collect::<Vec<_>>();
    events.sort_by_key(|event| event.invoked);
    events.split_off(events.len().saturating_sub(limit))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Stale { age } => {
                write!(f, "stale: a newer version's write had returned {age} ns before it began")
            }
            Fault::FromTheFuture => f.write_str("no write of this version had begun"),
        }
    }
}

/// What the writes to one key demand of its reads.
#[derive(Debug, Default)]
struct Register {
    applied: Overtaken,
    own: HashMap<u32, Overtaken>,
    /// When the write of each version began.
    begun: HashMap<u64, u64>,
    /// When the first write began of which nobody knows the version.
    first_lost: Option<u64>,
}

fn registers(history: &[Event]) -> BTreeMap<u32, Register> {
    let mut keys = BTreeMap::<u32, Vec<&Event>>::new();
    for event in history {
        keys.entry(event.key).or_default().push(event);
    }
    keys.into_iter().map(|(key, events)| (key, Register::of(&events))).collect()
}

impl Register {
    fn of(events: &[&Event]) -> Register {
        let mut register = Register::default();
        let (mut applied, mut own) = (Vec::new(), HashMap::<u32, Vec<_>>::new());
        for event in events {
            match event.call {
                Call::Write { version, applied: visible } => {
                    let begun = register.begun.entry(version).or_insert(event.invoked);
                    *begun = event.invoked.min(*begun);
                    own.entry(event.process).or_default().push((version, event.returned));
                    if visible {
                        applied.push((version, event.returned));
                    }
                }
                Call::LostWrite => {
                    let first = register.first_lost.get_or_insert(event.invoked);
                    *first = event.invoked.min(*first);
                }
                Call::Read { .. } | Call::LostRead => {}
            }
        }
        register.applied = Overtaken::new(applied);
        register.own = own.into_iter().map(|(of, writes)| (of, Overtaken::new(writes))).collect();
        register
    }

    fn fault(&self, event: &Event, bound: u64) -> Option<Fault> {
        let Call::Read { version, .. } = event.call else { return None };
        let own = self.own.get(&event.process).and_then(|own| own.since(version));
        let applied = self.applied.since(version).map(|since| since.saturating_add(bound));
        let since = [applied, own].into_iter().flatten().min();
        if let Some(since) = since.filter(|since| *since < event.invoked) {
            return Some(Fault::Stale { age: event.invoked - since });
        }
        let begun = self.begun.get(&version).copied().or(self.first_lost);
        let known = version == 0 || begun.is_some_and(|begun| begun <= event.returned);
        (!known).then_some(Fault::FromTheFuture)
    }
}
