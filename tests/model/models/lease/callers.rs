//! What readers and writers do, one step at a time.

use super::state::{Actor, Entry, Next, State, Step};
use super::{Floor, Held, Lease, Refused, Sharing};
use crate::Since;

impl Lease {
    fn probe(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        if !state.open && self.gate {
            return next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
        }
        match state.entry {
            Entry::Absent => {
                let mut after = state.clone();
                let id = if self.fresh_ids { after.take_id() } else { 1 };
                after.entry = Entry::Lease { id, floor: 0 };
                after.actors[i] = Actor::Loading(since, id, 0);
                next.push((Step::Leased(i, id), after));
            }
            Entry::Value { version, .. } => {
                next.push((Step::Hit(i, version), state.returns(i, since, version)));
            }
            Entry::Tombstone { id, .. } => {
                next.push((Step::FoundTombstone(i), state.with(i, Actor::Claiming(since, id))));
            }
            Entry::Lease { id, .. } => {
                if self.held == Held::GoPast {
                    next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
                }
                if self.sharing == Sharing::IfAccepted {
                    next.push((Step::Follow(i, id), state.with(i, Actor::Following(since, id))));
                }
            }
        }
    }

    /// CAS_LEASE: the lease carries the tombstone's floor.
    fn claim(&self, state: &State, i: usize, since: Since, seen: u8, next: &mut Next) {
        let mut after = state.with(i, Actor::Probing(since));
        let found = matches!(state.entry, Entry::Tombstone { id, .. } if id == seen);
        if found {
            let (id, floor) = (after.take_id(), state.entry.floor());
            after.entry = Entry::Lease { id, floor };
            after.actors[i] = Actor::Loading(since, id, floor);
        }
        next.push((Step::ReplacedTombstone(i, found), after));
    }

    fn load(&self, state: &State, i: usize, (since, id, floor): (Since, u8, u8), next: &mut Next) {
        let oldest = if self.lagging { state.replica } else { state.db };
        let fits = |version: &u8| self.floor == Floor::None || *version >= floor;
        for version in (oldest..=state.db).filter(fits) {
            next.push((Step::Load(i, version), state.with(i, Actor::Filling(since, id, version))));
        }
    }

    /// CAS_FILL: the value has an id of its own.
    fn fill(
        &self,
        state: &State,
        i: usize,
        (since, lease, version): (Since, u8, u8),
        next: &mut Next,
    ) {
        let accepted = matches!(state.entry, Entry::Lease { id, .. } if id == lease);
        let mut after = state.clone();
        if accepted {
            let (id, floor) = (after.take_id(), state.entry.floor());
            after.entry = Entry::Value { id, version, floor };
        }
        if self.sharing != Sharing::None {
            after.over.push((lease, version, accepted));
        }
        let after = match self.refused {
            Refused::ProbeAgain if !accepted => after.with(i, Actor::Probing(since)),
            _ => after.returns(i, since, version),
        };
        next.push((Step::Fill(i, version, accepted), after));
    }

    fn follow(&self, state: &State, i: usize, since: Since, lease: u8, next: &mut Next) {
        for &(id, version, accepted) in &state.over {
            if id == lease && (accepted || self.sharing == Sharing::Anybody) {
                return next.push((Step::Shared(i, version), state.returns(i, since, version)));
            }
            if id == lease {
                return next.push((Step::ProbeAgain(i), state.with(i, Actor::Probing(since))));
            }
        }
    }

    fn begin(&self, state: &State, i: usize, next: &mut Next) {
        let since = state.watch.begin();
        next.push((Step::Begin(i), state.with(i, Actor::Probing(since))));
        if self.sharing != Sharing::Anybody {
            return;
        }
        for actor in &state.actors {
            if let Actor::Loading(_, id, _) | Actor::Filling(_, id, _) = *actor {
                next.push((Step::BeginAndJoin(i, id), state.with(i, Actor::Following(since, id))));
            }
        }
    }

    /// What an invalidation leaves behind.
    pub(super) fn invalidated(&self, state: &mut State, version: u8) {
        let floor = match self.floor {
            Floor::None => return state.entry = Entry::Absent,
            Floor::Last => version,
            Floor::Highest => version.max(state.entry.floor()),
        };
        let id = state.take_id();
        state.entry = Entry::Tombstone { id, floor };
    }

    fn commit(&self, state: &State, i: usize, next: &mut Next) {
        let version = state.db + 1;
        let mut after = state.with(i, Actor::Invalidating(version));
        after.db = version;
        if self.outbox {
            after.pending |= 1 << version;
            after.rows |= 1 << version;
        }
        if self.before_visible {
            after.actors[i] = Actor::Done;
            after.watch.write_returned(version);
        }
        next.push((Step::Commit(i, version), after));
    }

    pub(super) fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => self.begin(state, i, next),
            Actor::Probing(since) => self.probe(state, i, since, next),
            Actor::Claiming(since, seen) => self.claim(state, i, since, seen, next),
            Actor::Loading(since, id, floor) => self.load(state, i, (since, id, floor), next),
            Actor::Filling(since, id, version) => self.fill(state, i, (since, id, version), next),
            Actor::Direct(since) => {
                next.push((Step::Direct(i, state.db), state.returns(i, since, state.db)));
            }
            Actor::Following(since, id) => self.follow(state, i, since, id, next),
            Actor::Writer if self.before_visible => {
                let mut after = state.with(i, Actor::Committing);
                self.invalidated(&mut after, 0);
                next.push((Step::InvalidateBeforeVisible(i), after));
            }
            Actor::Writer => next.push((Step::BeginWrite(i), state.with(i, Actor::Committing))),
            Actor::Committing => self.commit(state, i, next),
            Actor::Invalidating(version) => {
                let mut after = state.with(i, Actor::Done);
                self.invalidated(&mut after, version);
                after.pending &= !(1 << version);
                after.watch.write_returned(version);
                next.push((Step::Invalidate(i, version), after));
            }
            Actor::Done => {}
        }
    }
}
