//! After all has come to rest, every read finds what was written last.

use std::collections::HashMap;

use crate::history::{Call, Event};

/// Reads that began after `rest` and did not find `truth`, the versions by key: as indexes into the history.
#[must_use]
pub fn unsettled(history: &[Event], rest: u64, truth: &HashMap<u32, u64>) -> Vec<usize> {
    let differs = |event: &Event| match event.call {
        Call::Read { version, .. } if event.invoked > rest => {
            truth.get(&event.key) != Some(&version)
        }
        _ => false,
    };
    history.iter().enumerate().filter(|(_, event)| differs(event)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Source;

    #[test]
    fn only_reads_after_the_rest_count_and_each_other_version_is_wrong() {
        let read = |key, invoked, version| {
            let call = Call::Read { version, source: Source::Cache };
            Event { process: 0, key, invoked, returned: invoked + 1, call }
        };
        let history =
            [read(1, 5, 2), read(1, 11, 3), read(1, 12, 2), read(2, 13, 1), read(1, 14, 4)];
        assert_eq!(unsettled(&history, 10, &HashMap::from([(1, 3), (2, 1)])), [2, 4]);
    }
}
