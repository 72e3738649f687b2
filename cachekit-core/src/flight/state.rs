//! What a flight knows, behind its lock.

use std::{sync::Arc, task::Waker};

use super::{
    Phase,
    seats::{MemberId, Seats},
};
use crate::{
    __private::Shared,
    cache::{Answer, Status},
    entry::{Id, Stamps},
    sync::{Mutex, MutexGuard, lock},
};

/// What a member is given.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// Its own loader's output, whatever that is.
    Own(Status),
    /// A value or an absence that somebody else found.
    Answer(Answer, Status),
    /// The leader's error, which can be cloned.
    Error(Shared),
    /// Run your own loader outside the flight: the leader's error cannot be cloned.
    Alone,
    /// There is nothing for this caller: time is up, or no turn to load is to be had.
    Refused,
}

/// A loaded value whose fill was refused, and who may have it if the key proves absent.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) answer: Answer,
    /// Members below this number joined before the load began.
    pub(crate) below: MemberId,
    /// Who loaded it, for whom it is `Own`.
    pub(crate) owner: MemberId,
}

/// One attempt to get one key.
#[derive(Debug)]
pub(crate) struct Flight {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Whether it has left the `next` place.
    pub(crate) started: bool,
    /// Whether everybody has a verdict or is gone.
    pub(crate) over: bool,
    pub(crate) leader: Option<MemberId>,
    /// Counts changes of the leader, so that a deposed one notices.
    pub(crate) reign: u32,
    pub(crate) seats: Seats,
    /// Members below this number joined before the current load began.
    pub(crate) covered: MemberId,
    pub(crate) lease: Option<Id>,
    /// Ids this flight sent that may be, or become, a lease of its key.
    pub(crate) mine: Vec<Id>,
    pub(crate) kept: Option<Kept>,
    /// The generations of its tags, as of some moment before any load that is to come.
    pub(crate) stamps: Option<Stamps>,
    /// Loads that failed with an error that cannot be shared.
    pub(crate) failures: u32,
    /// How often waiters lost patience with it.
    pub(crate) impatience: u32,
}

impl Flight {
    pub(crate) fn new(started: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                phase: Phase::Unsent,
                started,
                over: false,
                leader: None,
                reign: 0,
                seats: Seats::default(),
                covered: 0,
                lease: None,
                mine: Vec::new(),
                kept: None,
                stamps: None,
                failures: 0,
                impatience: 0,
            }),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Seats a newcomer, if what this flight will find is still read after now.
    pub(crate) fn join(&self) -> Option<MemberId> {
        let mut state = self.lock();
        let joinable = !state.over && state.phase.joinable();
        joinable.then(|| state.seats.add())
    }

    /// Moves it from the `next` place to the current one; wake the waker after the locks.
    pub(crate) fn start(&self) -> Option<Waker> {
        let mut state = self.lock();
        state.started = true;
        state.wake_a_candidate()
    }
}

impl State {
    /// A waker of some member that could lead; the rule is level-triggered, so any will do.
    pub(crate) fn wake_a_candidate(&mut self) -> Option<Waker> {
        if !self.started || self.over || self.leader.is_some() {
            return None;
        }
        self.seats.waiting().find_map(|(_, seat)| seat.waker.take())
    }

    /// Ends the leader's term, however it ended; the flight goes on under whoever is polled next.
    pub(crate) fn vacate(&mut self) {
        self.leader = None;
        self.reign += 1;
        if self.phase == Phase::FillSent {
            self.lease = None;
        }
        self.phase = if self.lease.is_some() { Phase::Leased } else { Phase::Unsent };
    }

    /// Gives every waiting member its verdict and ends the flight.
    pub(crate) fn finish(&mut self, mut verdict: impl FnMut(MemberId) -> Verdict) -> Vec<Waker> {
        self.over = true;
        self.leader = None;
        self.reign += 1;
        self.give(|id| Some(verdict(id)))
    }

    /// Gives this member nothing from now on: it knows.
    pub(crate) fn leave_out(&mut self, member: MemberId) {
        if let Some(seat) = self.seats.get_mut(member) {
            seat.served = true;
        }
    }

    /// Gives some waiting members their verdicts.
    pub(crate) fn give(
        &mut self,
        mut verdict: impl FnMut(MemberId) -> Option<Verdict>,
    ) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for (id, seat) in self.seats.waiting() {
            if let Some(given) = verdict(id) {
                seat.verdict = Some(given);
                wakers.extend(seat.waker.take());
            }
        }
        wakers
    }

    /// The lease is no longer under the key: a fill took its place, or something else did.
    pub(crate) fn consume_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.forget(lease);
        }
    }

    /// Forgets an id that is certainly not, and will not become, a lease of the key.
    pub(crate) fn forget(&mut self, id: Id) {
        self.mine.retain(|mine| *mine != id);
    }
}
