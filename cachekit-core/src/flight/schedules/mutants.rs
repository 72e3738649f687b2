//! Each rule, broken on purpose, is missed by some schedule.

use super::{
    explore::catch,
    reader::Manner,
    scenario::{EMBEDDED, FOR_EVER, STORE, Scenario, TWO_PROCESSES},
    server::Faults,
};
use crate::mutant::Mutant;

/// Nobody goes away or loses patience, everything takes long, and the only writer is a stranger:
/// what is local to a process would hide a broken rule.
const SLOW: Scenario = Scenario { fickle: 0, readers: 4, slow_replies: true, ..STORE };

#[test]
fn joining_a_sent_probe_is_caught() {
    catch(Mutant::JoinProbe, Scenario { warm: true, ..SLOW }, "stale");
}

#[test]
fn joining_a_sent_fill_is_caught() {
    catch(Mutant::JoinFill, SLOW, "stale");
}

#[test]
fn joining_a_direct_load_is_caught() {
    let faults = Faults { refused: 50, ..Faults::default() };
    catch(Mutant::JoinDirect, Scenario { faults, ..SLOW }, "stale");
}

#[test]
fn waking_nobody_on_leaving_is_caught() {
    catch(Mutant::NoPassOn, Scenario { fickle: 60, readers: 5, ..STORE }, "deadlock");
}

#[test]
fn a_next_flight_that_waits_for_ever_is_caught() {
    catch(Mutant::NextWaits, Scenario { impatient: true, hoarders: 2, ..STORE }, "max_steps");
}

#[test]
fn sharing_a_refused_value_is_caught() {
    catch(Mutant::ShareRefused, SLOW, "stale");
}

#[test]
fn returning_a_refused_value_is_caught() {
    let scenario = Scenario {
        atomic: true,
        reaper: true,
        fickle: 0,
        reads: 3,
        slow_writers: true,
        lease_wait: FOR_EVER,
        ..TWO_PROCESSES
    };
    catch(Mutant::ReturnRefused, scenario, "stale");
}

#[test]
fn sharing_a_value_whose_fill_is_unknown_is_caught() {
    let faults = Faults { lost: 25, ..Faults::default() };
    catch(Mutant::ShareUnknown, Scenario { faults, ..SLOW }, "stale");
}

#[test]
fn sending_an_id_twice_is_caught() {
    catch(Mutant::SameProbeId, Scenario { fickle: 50, ..SLOW }, "stale");
}

#[test]
fn counting_two_writers_as_one_is_caught() {
    let scenario = Scenario { writers: 2, foreign_writers: 0, impatient: true, ..SLOW };
    catch(Mutant::DirtyIsASet, scenario, "stale");
}

#[test]
fn looking_at_a_dirty_key_is_caught() {
    let scenario = Scenario { writers: 2, foreign_writers: 0, impatient: true, ..STORE };
    catch(Mutant::LookWhileDirty, scenario, "stale");
}

#[test]
fn a_single_local_invalidation_is_caught() {
    let scenario = Scenario { writers: 2, foreign_writers: 0, impatient: true, ..STORE };
    catch(Mutant::SingleLocalInvalidation, scenario, "stale");
}

#[test]
fn inserting_without_a_ticket_is_caught() {
    catch(Mutant::InsertWithoutTicket, Scenario { writers: 1, ..EMBEDDED }, "stale");
}

/// Copies that nobody but their own process voids: it has to do so itself, and twice.
const COPIES: Scenario =
    Scenario { copies: true, writers: 2, foreign_writers: 0, fickle: 0, ..STORE };

#[test]
fn a_copy_made_without_a_ticket_is_caught() {
    catch(Mutant::InsertWithoutTicket, COPIES, "stale");
}

/// Every invalidation is waited for, so that only a copy can be stale.
#[test]
fn a_copy_made_between_the_first_invalidation_and_the_unlink_is_caught() {
    catch(Mutant::SingleLocalInvalidation, COPIES, "stale");
}

#[test]
fn replacing_whatever_is_there_is_caught() {
    let scenario =
        Scenario { manners: &[Manner::Ahead], reads: 3, warm: true, foreign_writers: 2, ..SLOW };
    catch(Mutant::RenewWhateverIsThere, scenario, "stale");
}
