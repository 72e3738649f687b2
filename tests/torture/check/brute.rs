//! The definition, word by word, in O(n²).

use super::{Fault, Violation};
use crate::history::{Call, Event};

pub(super) fn violations(history: &[Event]) -> Vec<Violation> {
    let fault = |(read, event)| Some(Violation { read, fault: fault(history, event)? });
    history.iter().enumerate().filter_map(fault).collect()
}

pub(super) fn inversions(history: &[Event]) -> usize {
    let inverted = |event: &&Event| {
        history.iter().any(|earlier| match (earlier.call, event.call) {
            (Call::Read { version: seen, .. }, Call::Read { version, .. }) => {
                earlier.key == event.key && earlier.returned < event.invoked && seen > version
            }
            _ => false,
        })
    };
    history.iter().filter(inverted).count()
}

fn fault(history: &[Event], read: &Event) -> Option<Fault> {
    let Call::Read { version, .. } = read.call else { return None };
    let mut age = None;
    for write in history.iter().filter(|write| write.key == read.key) {
        let Call::Write { version: written, applied } = write.call else { continue };
        let binds = applied || write.process == read.process;
        if binds && written > version && write.returned < read.invoked {
            age = age.max(Some(read.invoked - write.returned));
        }
    }
    if let Some(age) = age {
        return Some(Fault::Stale { age });
    }
    (version != 0 && !may_be_seen(history, read, version)).then_some(Fault::FromTheFuture)
}

/// A version that no known write has belongs to one of the lost ones.
fn may_be_seen(history: &[Event], read: &Event, version: u64) -> bool {
    let same = |write: &&Event| write.key == read.key;
    let is = |write: &Event, version| match write.call {
        Call::Write { version: written, .. } => written == version,
        _ => false,
    };
    let known = history.iter().filter(same).any(|write| is(write, version));
    history.iter().filter(same).any(|write| {
        let candidate = if known { is(write, version) } else { write.call == Call::LostWrite };
        candidate && write.invoked <= read.returned
    })
}
