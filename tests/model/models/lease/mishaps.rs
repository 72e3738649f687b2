//! The relay, what falls back, what runs out, who dies.

use super::Lease;
use super::state::{Actor, Entry, Next, State, Step};

impl Lease {
    pub(super) fn relay(&self, state: &State, next: &mut Next) {
        for version in (1..8).filter(|version| state.pending & (1 << version) != 0) {
            let mut after = state.clone();
            self.invalidated(&mut after, version);
            after.pending &= !(1 << version);
            next.push((Step::Relay(version), after));
        }
    }

    pub(super) fn fall_back(&self, state: &State, next: &mut Next) {
        if state.failovers > 0 {
            let changed = State { behind: state.entry, ..state.clone() };
            if changed != *state {
                next.push((Step::RedisReplicates, changed));
            }
            let failovers = state.failovers - 1;
            let after = State { entry: state.behind, open: !self.gate, failovers, ..state.clone() };
            next.push((Step::RedisFallsBack, after));
        }
        if !state.open {
            let mut after = State { open: true, ..state.clone() };
            for version in (1..8).filter(|version| state.rows & (1 << version) != 0) {
                self.invalidated(&mut after, version);
            }
            after.behind = after.entry;
            next.push((Step::GateOpens, after));
        }
    }

    pub(super) fn mishaps(&self, state: &State, next: &mut Next) {
        if state.replica < state.db && self.lagging {
            let replica = state.replica + 1;
            next.push((Step::ReplicaCatchesUp, State { replica, ..state.clone() }));
        }
        if let Entry::Lease { id, floor } = state.entry
            && state.expiries > 0
        {
            // A lease that outlives its holder for the floor's sake is a tombstone by another name.
            let kept = self.floor_outlives && floor > 0;
            let entry = if kept { Entry::Tombstone { id, floor } } else { Entry::Absent };
            let expiries = state.expiries - 1;
            next.push((Step::LeaseRunsOut, State { entry, expiries, ..state.clone() }));
        }
        for i in 0..state.actors.len() {
            let idle = matches!(state.actors[i], Actor::Reader | Actor::Writer | Actor::Done);
            if state.crashes > 0 && !idle {
                let mut after = state.with(i, Actor::Done);
                after.crashes -= 1;
                next.push((Step::Crash(i), after));
            }
        }
    }
}
