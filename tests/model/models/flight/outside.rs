//! Redis, writers, and other processes.

use super::state::{At, Command, Entry, Foreign, State, Work, Writer};
use super::{Flights, Mutant, Next, Step};

impl Flights {
    pub(super) fn outside(&self, state: &State, next: &mut Next) {
        let arriving = if self.in_order { state.wire.len().min(1) } else { state.wire.len() };
        for at in 0..arriving {
            self.carry_out(state, at, next);
        }
        for i in 0..state.writers.len() {
            self.write(state, i, next);
        }
        for i in 0..state.foreign_writers.len() {
            self.foreign_write(state, i, next);
        }
        for i in 0..state.foreign_readers.len() {
            self.foreign_read(state, i, next);
        }
        if let Entry::Lease(id) = state.entry {
            let idle = self.idle_leases_end && !state.has_load_under(id);
            if idle || state.budget.expiries > 0 {
                let mut after = state.clone();
                after.entry = Entry::Absent;
                after.budget.expiries -= u8::from(!idle);
                next.push((Step::LeaseRunsOut, after));
            }
        }
    }

    /// A command arrives; its answer reaches whoever sent it, unless that one is gone or the answer is lost.
    fn carry_out(&self, state: &State, at: usize, next: &mut Next) {
        let mut after = state.clone();
        let command = after.wire.remove(at);
        let answer = match command {
            Command::Probe { id, by } => {
                let found = state.entry;
                if found == Entry::Absent {
                    after.entry = Entry::Lease(id);
                }
                Some((by, Work::Probing(id), Work::Probed(id, Some(found)), Work::Probed(id, None)))
            }
            Command::Fill { lease, id, version, by } => {
                let kept = self.is(Mutant::KeepLeaseId)
                    && matches!(state.entry, Entry::Value { id, .. } if id == lease);
                let accepted = state.entry == Entry::Lease(lease) || kept;
                if accepted {
                    after.entry = Entry::Value { id, version };
                }
                let filled = Work::Filled(version, Some(accepted));
                Some((by, Work::Filling(lease, version), filled, Work::Filled(version, None)))
            }
            Command::GiveUp { id } => {
                if state.entry == Entry::Lease(id) {
                    after.entry = Entry::Absent;
                }
                None
            }
        };
        let mut waits = None;
        if let Some((by, expects, answered, lost)) = answer
            && let At::Leading { flight, reign, work } = after.callers[by].at
            && work == expects
        {
            waits = Some((by, flight, reign, answered, lost));
        }
        let Some((by, flight, reign, answered, lost)) = waits else {
            return next.push((Step::Carried(command, false), after));
        };
        if state.budget.lost > 0 {
            let mut after = after.clone();
            after.budget.lost -= 1;
            after.callers[by].at = At::Leading { flight, reign, work: lost };
            next.push((Step::Carried(command, false), after));
        }
        after.callers[by].at = At::Leading { flight, reign, work: answered };
        next.push((Step::Carried(command, true), after));
    }

    /// A writer of this process; its UNLINK may be refused, and then it returns with the key dirty.
    fn write(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.clone();
        let detach = !self.is(Mutant::NoDetach);
        match state.writers[i] {
            Writer::Idle => {
                after.db += 1;
                after.writers[i] = Writer::Voiding(after.db);
                next.push((Step::Commit(i, after.db), after));
            }
            Writer::Voiding(version) => {
                after.slot.dirty += 1;
                if detach {
                    after.promote();
                }
                after.writers[i] = Writer::Unlinking(version);
                next.push((Step::Void(i), after));
            }
            Writer::Unlinking(version) => {
                let mut refused = after.clone();
                refused.writers[i] = Writer::Done;
                refused.watch.write_returned(version);
                next.push((Step::UnlinkRefused(i), refused));
                after.entry = Entry::Absent;
                after.writers[i] = Writer::VoidingAgain(version);
                next.push((Step::Unlink(i), after));
            }
            Writer::VoidingAgain(version) => {
                after.slot.dirty -= 1;
                if detach {
                    after.promote();
                }
                after.writers[i] = Writer::Done;
                after.watch.write_returned(version);
                next.push((Step::Void(i), after));
            }
            Writer::Done => {}
        }
    }

    fn foreign_write(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.clone();
        match state.foreign_writers[i] {
            Writer::Idle => {
                after.db += 1;
                after.foreign_writers[i] = Writer::Unlinking(after.db);
                next.push((Step::ForeignCommit(i, after.db), after));
            }
            Writer::Unlinking(version) => {
                after.entry = Entry::Absent;
                after.foreign_writers[i] = Writer::Done;
                after.watch.write_returned(version);
                next.push((Step::ForeignUnlink(i), after));
            }
            _ => {}
        }
    }

    fn foreign_read(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.clone();
        match state.foreign_readers[i] {
            Foreign::Idle => {
                after.foreign_readers[i] = Foreign::Probing(state.watch.begin());
                self.foreign_read(&after, i, next);
            }
            Foreign::Probing(since) => match state.entry {
                Entry::Absent => {
                    let id = after.fresh_id();
                    after.entry = Entry::Lease(id);
                    after.foreign_readers[i] = Foreign::Loading(since, id);
                    next.push((Step::ForeignLease(i, id), after));
                }
                Entry::Value { version, .. } => {
                    after.watch.read_returned(since, version);
                    after.foreign_readers[i] = Foreign::Done;
                    next.push((Step::ForeignHit(i, version), after));
                }
                Entry::Lease(_) => {}
            },
            Foreign::Loading(since, id) => {
                after.foreign_readers[i] = Foreign::Filling(since, id, state.db);
                next.push((Step::ForeignLoad(i, state.db), after));
            }
            Foreign::Filling(since, id, version) => {
                let accepted = state.entry == Entry::Lease(id);
                after.foreign_readers[i] = Foreign::Probing(since);
                if accepted {
                    let id = after.fresh_id();
                    after.entry = Entry::Value { id, version };
                    after.watch.read_returned(since, version);
                    after.foreign_readers[i] = Foreign::Done;
                }
                next.push((Step::ForeignFill(i, version, accepted), after));
            }
            Foreign::Done => {}
        }
    }
}
