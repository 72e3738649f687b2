//! What a leader does, and one that was deposed.

use super::state::{At, Command, Entry, Kept, Phase, State, Work, id_bit};
use super::{Flights, Mutant, Next, Step};

impl Flights {
    pub(super) fn work(
        &self,
        state: &State,
        i: usize,
        (f, reign): (usize, u8),
        work: Work,
        next: &mut Next,
    ) {
        let mut after = state.clone();
        if !state.leads(i) && !work.is_own() {
            // It waits again, for a verdict or for the lead.
            after.callers[i].at = At::Waiting(f);
            return next.push((Step::Deposed(i), after));
        }
        let mut go = |step, mut after: State, work| {
            after.callers[i].at = At::Leading { flight: f, reign, work };
            next.push((step, after));
        };
        match work {
            Work::Decide => self.decide(after, i, (f, reign), next),
            Work::Probing(id) if state.budget.lost > 0 => {
                after.budget.lost -= 1;
                go(Step::TimeOut(i), after, Work::Probed(id, None));
            }
            Work::Filling(_, version) if state.budget.lost > 0 => {
                after.budget.lost -= 1;
                go(Step::TimeOut(i), after, Work::Filled(version, None));
            }
            Work::Probing(_) | Work::Filling(..) => {}
            Work::Probed(id, found) => self.probed(after, i, (f, reign), (id, found), next),
            Work::Waits(lease) if state.entry == Entry::Lease(lease) => {}
            Work::Waits(_) => go(Step::LookAgain(i), after, Work::Decide),
            Work::Loading(lease) => {
                after.callers[i].loads += 1;
                go(Step::Load(i, state.db), after, Work::Loaded(lease, state.db));
            }
            Work::Loaded(None, version) => self.direct_is_over(after, i, f, version, next),
            Work::Loaded(Some(lease), version) => {
                if state.leads(i) {
                    after.flights[f].phase = Phase::FillSent;
                }
                let fresh = after.fresh_id();
                let id = if self.is(Mutant::KeepLeaseId) { lease } else { fresh };
                after.send(Command::Fill { lease, id, version, by: i });
                go(Step::SendFill(i, version), after, Work::Filling(lease, version));
            }
            Work::Filled(version, accepted) => self.filled(after, i, f, (version, accepted), next),
        }
    }

    fn decide(&self, mut after: State, i: usize, (f, reign): (usize, u8), next: &mut Next) {
        if after.slot.dirty > 0 && !self.is(Mutant::LookWhileDirty) {
            return self.go_direct(after, i, (f, reign), next);
        }
        let members = after.flights[f].members;
        if let Some(lease) = after.flights[f].lease {
            let flight = &mut after.flights[f];
            (flight.phase, flight.covered) = (Phase::Loading, members);
            let work = Work::Loading(Some(lease));
            after.callers[i].at = At::Leading { flight: f, reign, work };
            return next.push((Step::BeginLoad(i), after));
        }
        let last = (0..32).rev().find(|id| after.flights[f].mine & id_bit(*id) != 0);
        let id = match last.filter(|_| self.is(Mutant::SameProbeId)) {
            Some(last) => last,
            None => after.fresh_id(),
        };
        after.flights[f].mine |= id_bit(id);
        after.flights[f].phase = Phase::ProbeSent;
        after.send(Command::Probe { id, by: i });
        after.callers[i].at = At::Leading { flight: f, reign, work: Work::Probing(id) };
        next.push((Step::SendProbe(i, id), after));
    }

    /// A refused value goes to those it was kept for; the others are the leader's matter. Says whether the leader is left.
    fn serve_kept(&self, after: &mut State, i: usize, f: usize) -> bool {
        let Some(kept) = after.flights[f].kept.take() else { return true };
        if self.is(Mutant::LoadAgain) {
            return true;
        }
        after.give(f, kept.members, kept.version, self.is(Mutant::NoGiveUp));
        let left = after.callers[i].at != At::Done;
        if !left && !after.flights[f].over {
            after.flights[f].vacate();
        }
        left
    }

    fn go_direct(&self, mut after: State, i: usize, (f, reign): (usize, u8), next: &mut Next) {
        if self.serve_kept(&mut after, i, f) {
            let flight = &mut after.flights[f];
            (flight.phase, flight.covered) = (Phase::Direct, flight.members);
            let work = Work::Loading(None);
            after.callers[i].at = At::Leading { flight: f, reign, work };
        }
        next.push((Step::GoDirect(i), after));
    }

    fn probed(
        &self,
        mut after: State,
        i: usize,
        (f, reign): (usize, u8),
        (id, found): (u8, Option<Entry>),
        next: &mut Next,
    ) {
        let lead = |work| At::Leading { flight: f, reign, work };
        let adopts = |x: u8| after.flights[f].mine & id_bit(x) != 0 && !self.is(Mutant::NoAdoption);
        match found {
            None => self.go_direct(after, i, (f, reign), next),
            Some(Entry::Value { version, .. }) => {
                after.flights[f].mine &= !id_bit(id);
                after.finish(f, version, self.is(Mutant::NoGiveUp));
                next.push((Step::Hit(i, version), after));
            }
            Some(Entry::Lease(x)) if x != id && !adopts(x) => {
                after.flights[f].mine &= !id_bit(id);
                after.flights[f].phase = Phase::Unsent;
                after.callers[i].at = lead(Work::Waits(x));
                next.push((Step::FoundLease(i, x), after));
            }
            Some(found) => {
                let lease = if let Entry::Lease(x) = found { x } else { id };
                if lease != id {
                    after.flights[f].mine &= !id_bit(id);
                }
                after.flights[f].lease = Some(lease);
                after.flights[f].phase = Phase::Leased;
                if self.serve_kept(&mut after, i, f) {
                    after.callers[i].at = lead(Work::Decide);
                }
                next.push((Step::Granted(i, lease), after));
            }
        }
    }

    /// A load past the cache serves all that are there: they came before it began.
    fn direct_is_over(&self, mut after: State, i: usize, f: usize, version: u8, next: &mut Next) {
        if after.leads(i) {
            after.finish(f, version, self.is(Mutant::NoGiveUp));
        } else {
            self.return_own(&mut after, i, version);
        }
        next.push((Step::Return(i, version), after));
    }

    fn return_own(&self, after: &mut State, i: usize, version: u8) {
        after.watch.read_returned(after.callers[i].since, version);
        after.leave(i, false, self.is(Mutant::NoGiveUp));
    }

    fn filled(
        &self,
        mut after: State,
        i: usize,
        f: usize,
        (version, accepted): (u8, Option<bool>),
        next: &mut Next,
    ) {
        let keeps_ids = self.is(Mutant::NoGiveUp);
        if !after.leads(i) {
            self.return_own(&mut after, i, version);
            return next.push((Step::Return(i, version), after));
        }
        let covered = after.flights[f].covered;
        match accepted {
            Some(true) => {
                after.flights[f].consume_lease();
                after.finish(f, version, keeps_ids);
                next.push((Step::Accepted(i, version), after));
            }
            Some(false) => {
                after.flights[f].consume_lease();
                self.refused(&mut after, i, f, version);
                next.push((Step::Refused(i, version), after));
            }
            None if self.is(Mutant::ShareUnknown) => {
                after.finish(f, version, keeps_ids);
                next.push((Step::Unknown(i, version), after));
            }
            None => {
                after.give(f, covered, version, keeps_ids);
                after.flights[f].vacate();
                next.push((Step::Unknown(i, version), after));
            }
        }
    }

    fn refused(&self, after: &mut State, i: usize, f: usize, version: u8) {
        let keeps_ids = self.is(Mutant::NoGiveUp);
        let covered = after.flights[f].covered;
        match self.mutant {
            Some(Mutant::ShareRefused) => after.finish(f, version, keeps_ids),
            Some(Mutant::ReturnRefused) => {
                after.give(f, covered, version, keeps_ids);
                after.flights[f].vacate();
            }
            _ => {
                let flight = &mut after.flights[f];
                flight.kept = Some(Kept { version, members: covered });
                flight.phase = Phase::Unsent;
                let reign = flight.reign;
                after.callers[i].at = At::Leading { flight: f, reign, work: Work::Decide };
            }
        }
    }
}
