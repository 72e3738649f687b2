//! Reads that name a tag hold to the rules when only the tag is invalidated, and each rule is needed.

use super::{
    explore::{catch, explore},
    reader::Manner,
    scenario::{EMBEDDED as PLAIN_EMBEDDED, FOR_EVER, STORE as PLAIN_STORE, Scenario},
    server::Faults,
};
use crate::mutant::Mutant;

const MANY: usize = 1000;

const EMBEDDED: Scenario = Scenario { tags: true, writers: 2, ..PLAIN_EMBEDDED };

const STORE: Scenario = Scenario { tags: true, ..PLAIN_STORE };

const TWO_PROCESSES: Scenario = Scenario { processes: 2, readers: 4, ..STORE };

/// As for the mutants of flights: nothing but what a stranger does shows that a rule is broken.
const SLOW: Scenario = Scenario { fickle: 0, readers: 4, slow_replies: true, ..STORE };

const ALL: &[Manner] = &[Manner::Plain, Manner::Optional, Manner::NeverAbsent, Manner::Refresh];

#[test]
fn embedded_readers_see_what_was_written_under_their_tag() {
    explore(Scenario { atomic: true, ..EMBEDDED }, MANY);
}

#[test]
fn embedded_readers_of_every_manner_see_what_was_written_under_their_tag() {
    explore(Scenario { manners: ALL, failing_loads: 20, time: true, ..EMBEDDED }, MANY);
}

#[test]
fn embedded_readers_that_nobody_disturbs_load_once() {
    explore(Scenario { writers: 0, fickle: 0, most_loads: 1, ..EMBEDDED }, MANY);
}

#[test]
fn processes_that_nobody_disturbs_load_once_under_a_tag() {
    let scenario = Scenario { fickle: 0, foreign_writers: 0, most_loads: 1, ..TWO_PROCESSES };
    explore(Scenario { lease_wait: FOR_EVER, ..scenario }, MANY);
}

#[test]
fn processes_see_what_others_wrote_under_their_tag_and_never_go_back() {
    let scenario = Scenario { atomic: true, lease_wait: FOR_EVER, ..TWO_PROCESSES };
    explore(scenario, MANY);
    explore(Scenario { slow_replies: true, slow_writers: true, ..scenario }, MANY);
    explore(Scenario { reaper: true, foreign_writers: 2, ..scenario }, MANY);
}

#[test]
fn readers_of_every_manner_see_what_others_wrote_under_their_tag() {
    let scenario =
        Scenario { manners: ALL, failing_loads: 20, reaper: true, vandal: true, ..TWO_PROCESSES };
    explore(scenario, MANY);
}

/// Entries are out of date at any time, and loaded anew in the background.
#[test]
fn loads_in_the_background_bring_nothing_that_was_old_under_a_tag() {
    let manners = &[Manner::Ahead, Manner::Plain];
    let scenario = Scenario { manners, reads: 3, ..TWO_PROCESSES };
    explore(scenario, MANY);
    explore(Scenario { slow_replies: true, reaper: true, ..scenario }, MANY);
    explore(Scenario { manners, time: true, ..EMBEDDED }, MANY);
}

#[test]
fn lost_and_refused_commands_serve_nobody_what_was_old_under_a_tag() {
    let faults = Faults { lost: 25, ..Faults::default() };
    explore(Scenario { faults, reaper: true, ..TWO_PROCESSES }, MANY);
    let faults = Faults { lost: 0, refused: 15, full: 15, down: 10 };
    explore(Scenario { faults, slow_replies: true, ..TWO_PROCESSES }, MANY);
}

#[test]
fn pending_invalidations_of_a_tag_are_seen_in_their_own_process() {
    let faults = Faults { lost: 25, refused: 10, ..Faults::default() };
    let scenario =
        Scenario { faults, writers: 2, foreign_writers: 0, impatient: true, ..TWO_PROCESSES };
    explore(scenario, MANY);
    explore(Scenario { slow_replies: true, ..scenario }, MANY);
}

// ===== each rule is needed =====

#[test]
fn stamping_with_a_generation_of_after_the_load_is_caught() {
    catch(Mutant::StampAfterLoad, SLOW, "stale");
    catch(Mutant::StampAfterLoad, EMBEDDED, "stale");
}

#[test]
fn sharing_what_was_outdated_during_its_load_is_caught() {
    catch(Mutant::ShareOutdated, SLOW, "stale");
    catch(Mutant::ShareOutdated, EMBEDDED, "stale");
}

#[test]
fn reading_under_a_tag_that_is_pending_is_caught() {
    let scenario = Scenario { writers: 2, foreign_writers: 0, impatient: true, ..STORE };
    catch(Mutant::ReadDirtyTags, scenario, "stale");
}

#[test]
fn keeping_the_generation_of_a_key_that_was_invalidated_is_caught() {
    catch(Mutant::KeepOwnGeneration, EMBEDDED, "stale");
}
