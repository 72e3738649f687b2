//! The checker finds what was seeded, nothing in a correct register, and agrees with the definition.

use proptest::prelude::*;

use super::{Fault, Violation, brute, context, inversions, violations};
use crate::history::{Call, Event, Source};

fn event(process: u32, span: (u64, u64), call: Call) -> Event {
    Event { process, key: 0, invoked: span.0, returned: span.1, call }
}

fn read(process: u32, span: (u64, u64), version: u64) -> Event {
    event(process, span, Call::Read { version, source: Source::Cache })
}

fn write(process: u32, span: (u64, u64), version: u64) -> Event {
    event(process, span, Call::Write { version, applied: true })
}

fn pending(process: u32, span: (u64, u64), version: u64) -> Event {
    event(process, span, Call::Write { version, applied: false })
}

#[test]
fn a_read_that_began_after_a_newer_write_returned_is_stale() {
    let history = [write(0, (1, 5), 1), write(0, (6, 9), 2), read(1, (12, 13), 0)];
    assert_eq!(violations(&history), [Violation { read: 2, fault: Fault::Stale { age: 7 } }]);
}

#[test]
fn a_read_that_overlaps_the_write_may_see_either_version() {
    let history = [write(0, (1, 5), 1), read(1, (5, 6), 0), read(1, (1, 2), 1)];
    assert_eq!(violations(&history), []);
    assert_eq!(inversions(&history), 1);
}

#[test]
fn a_pending_write_binds_its_own_process_alone() {
    let history = [pending(0, (1, 5), 1), read(1, (8, 9), 0), read(0, (8, 9), 0)];
    assert_eq!(violations(&history), [Violation { read: 2, fault: Fault::Stale { age: 3 } }]);
}

#[test]
fn a_version_that_nobody_had_begun_to_write_is_from_the_future() {
    let history = [read(0, (1, 2), 1), write(0, (3, 4), 1), read(0, (5, 6), 2)];
    let fault = Fault::FromTheFuture;
    assert_eq!(violations(&history), [Violation { read: 0, fault }, Violation { read: 2, fault }]);
}

#[test]
fn a_lost_write_may_be_seen_and_need_not() {
    let lost = event(0, (3, 4), Call::LostWrite);
    let history = [lost, read(0, (5, 6), 1), read(0, (7, 8), 0), read(0, (1, 2), 1)];
    let fault = Fault::FromTheFuture;
    assert_eq!(violations(&history), [Violation { read: 3, fault }]);
}

#[test]
fn the_context_ends_with_the_read_and_has_its_key_alone() {
    let mut history =
        vec![write(0, (1, 2), 1), write(0, (3, 4), 2), read(0, (7, 8), 1), read(0, (9, 10), 2)];
    history.insert(0, Event { key: 1, ..read(0, (5, 6), 0) });
    let [violation] = violations(&history)[..] else { panic!("one violation") };
    let context = context(&history, violation, 2);
    assert_eq!(context, [&history[2], &history[3]]);
}

fn any_call() -> impl Strategy<Value = Call> {
    let version = 0_u64..5;
    prop_oneof![
        4 => version.clone().prop_map(|version| Call::Read { version, source: Source::Cache }),
        3 => (version, any::<bool>()).prop_map(|(version, applied)| Call::Write { version, applied }),
        1 => Just(Call::LostWrite),
        1 => Just(Call::LostRead),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let place = (0_u32..3, 0_u32..2);
    (place, 0_u64..30, 0_u64..8, any_call()).prop_map(|((process, key), invoked, lasts, call)| {
        Event { process, key, invoked, returned: invoked + lasts, call }
    })
}

/// A register that is read and written at one moment between each call's ends: (moment, slack before,
/// slack after, whether it writes, whether its caller leaves, key).
type Step = (u64, u64, u64, bool, bool, u32);

fn correct(mut steps: Vec<Step>) -> Vec<Event> {
    steps.sort_by_key(|step| step.0);
    let mut rows = [0_u64; 2];
    let mut history = Vec::new();
    for (moment, before, after, writes, leaves, key) in steps {
        let row = &mut rows[key as usize];
        *row += u64::from(writes);
        let call = match (writes, leaves) {
            (true, true) => Call::LostWrite,
            (true, false) => Call::Write { version: *row, applied: true },
            (false, true) => Call::LostRead,
            (false, false) => Call::Read { version: *row, source: Source::Cache },
        };
        let (invoked, returned) = (moment - before, moment + after);
        history.push(Event { process: 0, key, invoked, returned, call });
    }
    history
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (100_u64..200, 0_u64..20, 0_u64..20, any::<bool>(), any::<bool>(), 0_u32..2);
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_definition(history in proptest::collection::vec(any_event(), 0..14)) {
        prop_assert_eq!(violations(&history), brute::violations(&history));
        prop_assert_eq!(inversions(&history), brute::inversions(&history));
    }

    #[test]
    fn finds_nothing_in_a_correct_register(steps in any_steps()) {
        let history = correct(steps);
        prop_assert_eq!(violations(&history), []);
        prop_assert_eq!(inversions(&history), 0);
    }

    #[test]
    fn finds_the_one_violation_that_was_seeded(steps in any_steps(), key in 0_u32..2, back in 1_u64..4) {
        let mut history = correct(steps);
        let at = history.iter().map(|event| event.returned).max().unwrap_or(0) + 10;
        // One version is written and returns; the read after it is `back` versions behind.
        let version = history.iter().filter(|event| event.key == key && is_write(event)).count() as u64 + 1;
        history.push(Event { key, ..write(0, (at, at + 1), version) });
        let seeded = history.len();
        let stale = version.saturating_sub(back);
        history.push(Event { key, ..read(1, (at + 2, at + 3), stale) });
        let found = violations(&history);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].read, seeded);
        prop_assert_ne!(found[0].fault, Fault::FromTheFuture);
    }
}

fn is_write(event: &Event) -> bool {
    matches!(event.call, Call::Write { .. } | Call::LostWrite)
}
