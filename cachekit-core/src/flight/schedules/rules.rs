//! The rules hold under every schedule that is met.

use super::{
    explore::explore,
    reader::Manner,
    scenario::{EMBEDDED, FOR_EVER, STORE, Scenario, TWO_PROCESSES},
    server::Faults,
};

const MANY: usize = 1000;

const ALL: &[Manner] =
    &[Manner::Plain, Manner::Optional, Manner::SharedError, Manner::NeverAbsent, Manner::Refresh];

#[test]
fn embedded_readers_see_what_returned_writers_wrote() {
    explore(Scenario { writers: 2, atomic: true, ..EMBEDDED }, MANY);
}

#[test]
fn embedded_readers_of_every_manner_see_what_returned_writers_wrote() {
    let scenario = Scenario { writers: 2, manners: ALL, failing_loads: 20, time: true, ..EMBEDDED };
    explore(scenario, MANY);
}

#[test]
fn embedded_callers_that_lose_patience_go_on() {
    explore(Scenario { writers: 1, hoarders: 2, readers: 2, impatient: true, ..EMBEDDED }, MANY);
}

#[test]
fn embedded_callers_that_nobody_disturbs_load_once() {
    explore(Scenario { fickle: 0, most_loads: 1, ..EMBEDDED }, MANY);
}

#[test]
fn processes_that_nobody_disturbs_load_once() {
    let scenario = Scenario { fickle: 0, foreign_writers: 0, most_loads: 1, ..TWO_PROCESSES };
    explore(Scenario { lease_wait: FOR_EVER, ..scenario }, MANY);
}

#[test]
fn one_process_sees_what_others_wrote_and_never_goes_back() {
    explore(Scenario { atomic: true, lease_wait: FOR_EVER, ..STORE }, MANY);
}

#[test]
fn two_processes_see_what_others_wrote_and_never_go_back() {
    explore(Scenario { atomic: true, lease_wait: FOR_EVER, ..TWO_PROCESSES }, MANY);
}

#[test]
fn two_slow_processes_see_what_others_wrote_and_never_go_back() {
    let scenario = Scenario {
        atomic: true,
        lease_wait: FOR_EVER,
        slow_replies: true,
        slow_writers: true,
        warm: true,
        foreign_writers: 2,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

#[test]
fn leases_that_run_out_make_no_read_go_back() {
    let scenario = Scenario {
        atomic: true,
        lease_wait: FOR_EVER,
        reaper: true,
        foreign_writers: 2,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

#[test]
fn readers_of_every_manner_see_what_others_wrote() {
    let scenario =
        Scenario { manners: ALL, failing_loads: 20, reaper: true, vandal: true, ..TWO_PROCESSES };
    explore(scenario, MANY);
}

#[test]
fn callers_that_lose_patience_go_on() {
    explore(Scenario { impatient: true, hoarders: 2, readers: 2, ..STORE }, MANY);
}

#[test]
fn callers_of_two_processes_that_lose_patience_go_on() {
    let scenario =
        Scenario { impatient: true, hoarders: 1, readers: 3, reaper: true, ..TWO_PROCESSES };
    explore(scenario, MANY);
}

#[test]
fn lost_replies_serve_nobody_what_is_old() {
    let faults = Faults { lost: 25, ..Faults::default() };
    explore(Scenario { faults, reaper: true, ..TWO_PROCESSES }, MANY);
    explore(Scenario { faults, slow_replies: true, warm: true, ..STORE }, MANY);
}

#[test]
fn refused_commands_serve_nobody_what_is_old() {
    let faults = Faults { lost: 0, refused: 15, full: 15, down: 10 };
    explore(Scenario { faults, slow_replies: true, ..TWO_PROCESSES }, MANY);
}

#[test]
fn pending_writes_are_seen_in_their_own_process() {
    let faults = Faults { lost: 25, refused: 10, ..Faults::default() };
    let scenario =
        Scenario { faults, writers: 2, foreign_writers: 0, impatient: true, ..TWO_PROCESSES };
    explore(scenario, MANY);
    explore(Scenario { slow_replies: true, ..scenario }, MANY);
}

#[test]
fn two_writers_of_one_key_are_both_seen() {
    explore(Scenario { writers: 2, slow_replies: true, ..TWO_PROCESSES }, MANY);
}

#[test]
fn the_end_of_a_runtime_loses_no_invalidation() {
    let scenario = Scenario {
        faults: Faults { lost: 20, ..Faults::default() },
        writers: 2,
        foreign_writers: 0,
        impatient: true,
        runtime_end: true,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

#[test]
fn an_overflowing_queue_loses_no_invalidation() {
    let scenario =
        Scenario { writers: 3, foreign_writers: 0, bystanders: 3, queue_limit: 1, ..TWO_PROCESSES };
    explore(scenario, MANY);
}

#[test]
fn two_schemas_under_one_key_serve_nobody_what_is_old() {
    let scenario = Scenario {
        manners: &[Manner::Plain, Manner::OtherSchema],
        writers: 1,
        reaper: true,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

/// Those who are answered with what is out of date, beside those who are not.
const OLD: &[Manner] = &[Manner::Plain, Manner::Anew, Manner::Ahead, Manner::Ahead];

#[test]
fn embedded_entries_that_are_out_of_date_are_never_older_than_a_returned_write() {
    let scenario = Scenario { writers: 2, manners: OLD, reads: 4, time: true, ..EMBEDDED };
    explore(Scenario { failing_loads: 20, ..scenario }, MANY);
    explore(Scenario { atomic: true, fickle: 0, ..scenario }, MANY);
}

#[test]
fn entries_that_are_out_of_date_are_never_older_than_a_returned_write() {
    let scenario = Scenario {
        manners: OLD,
        atomic: true,
        lease_wait: FOR_EVER,
        warm: true,
        foreign_writers: 2,
        writers: 1,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
    explore(Scenario { slow_replies: true, slow_writers: true, ..scenario }, MANY);
}

#[test]
fn what_is_loaded_anew_under_faults_is_never_older_than_a_returned_write() {
    let scenario = Scenario {
        faults: Faults { lost: 15, refused: 3, full: 3, down: 3 },
        manners: OLD,
        failing_loads: 20,
        reaper: true,
        impatient: true,
        hoarders: 1,
        warm: true,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

#[test]
fn everything_at_once_serves_nobody_what_is_old() {
    let scenario = Scenario {
        faults: Faults { lost: 10, refused: 3, full: 3, down: 3 },
        manners: &[
            Manner::Plain,
            Manner::Optional,
            Manner::NeverAbsent,
            Manner::SharedError,
            Manner::OtherSchema,
            Manner::Refresh,
            Manner::Anew,
            Manner::Ahead,
        ],
        failing_loads: 10,
        writers: 1,
        reaper: true,
        vandal: true,
        impatient: true,
        hoarders: 1,
        ..TWO_PROCESSES
    };
    explore(scenario, MANY);
}

#[test]
fn a_process_s_copies_are_never_older_than_what_it_wrote() {
    let scenario = Scenario { copies: true, writers: 2, foreign_writers: 0, ..STORE };
    explore(Scenario { manners: ALL, reaper: true, ..scenario }, MANY);
}

#[test]
fn a_process_s_copies_are_never_older_than_what_it_wrote_when_commands_fail() {
    let faults = Faults { lost: 15, refused: 5, full: 5, down: 5 };
    let scenario = Scenario { copies: true, writers: 2, foreign_writers: 0, ..STORE };
    explore(Scenario { faults, impatient: true, bystanders: 1, queue_limit: 1, ..scenario }, MANY);
}
