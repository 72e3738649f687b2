//! A caller's seat in a flight: waiting for a verdict, taking the lead, losing patience, leaving.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{Flight, Role, Verdict, seats::MemberId, state::State};
use crate::{
    engine::Engine,
    key::Key,
    mutant::{self, Mutant},
    sync,
};

/// What a member is to do next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The flight is over for this member.
    Given(Verdict),
    /// This member leads now.
    Lead(Role),
}

/// A caller's seat in a flight. Dropping it leaves the flight; the last one to leave ends it.
#[derive(Debug)]
pub(crate) struct Member {
    engine: Arc<Engine>,
    key: Key,
    flight: Arc<Flight>,
    id: MemberId,
}

impl Member {
    /// Joins the flight of `key` that this caller may share, or starts one.
    pub(crate) fn join(engine: &Arc<Engine>, key: Key) -> Self {
        let joined = engine.registry.join(&key.as_ref());
        Self { engine: engine.clone(), key, flight: joined.flight, id: joined.member }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Waits for a verdict or for the lead, whichever comes first.
    ///
    /// A leader may be alive and not polled, held in a `select!` or by the very task that waits
    /// here, so waiting has an end: `leader_wait`, doubling with each time.
    pub(crate) async fn turn(&self) -> Turn {
        self.turn_after(Duration::ZERO).await
    }

    /// [`turn`](Self::turn) for a member that has waited for so long already.
    pub(crate) async fn turn_after(&self, mut waited: Duration) -> Turn {
        // Most members lead at once, and need no timer for it.
        if let Poll::Ready(turn) = self.poll_turn(&Context::from_waker(Waker::noop())) {
            return turn;
        }
        loop {
            let (seen, patience) = self.patience();
            let seat = std::future::poll_fn(|cx| self.poll_turn(cx));
            match sync::within(patience.saturating_sub(waited), seat).await {
                Some(turn) => return turn,
                None => self.lose_patience(seen),
            }
            waited = Duration::ZERO;
        }
    }

    fn poll_turn(&self, cx: &Context<'_>) -> Poll<Turn> {
        // Wakers are the caller's executor's: they are cloned and dropped without locks.
        let waker = cx.waker().clone();
        let mut state = self.flight.lock();
        if let Some(turn) = self.take_turn(&mut state) {
            return Poll::Ready(turn);
        }
        let replaced = state.seats.get_mut(self.id).and_then(|seat| seat.waker.replace(waker));
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// What this member is to do, if that is known already. It does not wait.
    pub(crate) fn try_turn(&self) -> Option<Turn> {
        self.take_turn(&mut self.flight.lock())
    }

    fn take_turn(&self, state: &mut State) -> Option<Turn> {
        let leaderless = state.started && !state.over && state.leader.is_none();
        let seat = state.seats.get_mut(self.id).expect("a member keeps its seat until it leaves");
        if let Some(verdict) = seat.verdict.take() {
            seat.served = true;
            return Some(Turn::Given(verdict));
        }
        leaderless.then(|| Turn::Lead(Role::take(&self.flight, state, self.id)))
    }

    /// Keeps the seat, unpolled for a while: whoever waits beside it is woken in its place.
    pub(crate) fn look_away(&self) {
        let mut state = self.flight.lock();
        let own = state.seats.get_mut(self.id).and_then(|seat| seat.waker.take());
        let other = state.wake_a_candidate();
        drop(state);
        drop(own);
        if let Some(other) = other {
            other.wake();
        }
    }

    /// How long to wait, and what to compare with when the time is up.
    fn patience(&self) -> ((bool, u32), Duration) {
        let state = self.flight.lock();
        let limits = &self.engine.limits;
        let doubled = limits.leader_wait.saturating_mul(1 << state.impatience.min(16));
        ((state.started, state.reign), doubled.min(limits.load_timeout))
    }

    /// Nobody served this member in time: takes the role from whoever holds it, or lets the
    /// `next` flight start beside a current one that does not end.
    fn lose_patience(&self, (started, reign): (bool, u32)) {
        let mut state = self.flight.lock();
        if (state.started, state.reign) != (started, reign) {
            return;
        }
        state.impatience += 1;
        if state.started {
            state.vacate();
            return;
        }
        drop(state);
        self.engine.registry.set_aside(&self.key.as_ref(), &self.flight).wake();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.flight.lock();
        let seat = state.seats.remove(self.id);
        let waker = if mutant::on(Mutant::NoPassOn) { None } else { state.wake_a_candidate() };
        let ended = state.over || state.seats.is_empty();
        state.over = ended;
        let ids = if ended { std::mem::take(&mut state.mine) } else { Vec::new() };
        drop(state);
        drop(seat);
        if let Some(waker) = waker {
            waker.wake();
        }
        if ended {
            self.engine.registry.retire(&self.key.as_ref(), &self.flight).wake();
            self.engine.give_up(&self.key, ids);
        }
    }
}
