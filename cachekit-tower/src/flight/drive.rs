//! Polling a run on behalf of its flight.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{Ended, Run, seats::MemberId, settle::After, state::Flight};

/// A run in its driver's hands. Dropped while the driver unwinds, it tells the flight.
pub(super) struct Driven<'a, T: Clone> {
    flight: &'a Arc<Flight<T>>,
    run: Option<Run<T>>,
    is_done: bool,
}

/// What became of a run that was polled.
pub(super) enum Polled<T> {
    /// It goes on.
    Pending,
    Ended(After<T>),
}

impl<'a, T: Clone + Send + 'static> Driven<'a, T> {
    pub(super) fn new(flight: &'a Arc<Flight<T>>, run: Option<Run<T>>) -> Self {
        Self { flight, run, is_done: false }
    }

    /// Takes the run that was made.
    pub(super) fn with(mut self, make: impl FnOnce() -> Run<T>) -> Self {
        self.run = Some(make());
        self
    }

    /// Polls it once, for the member whose task `cx` is of.
    pub(super) fn poll(mut self, cx: &mut Context<'_>, id: MemberId) -> Polled<T> {
        let waker = Waker::from(self.flight.clone());
        let run = self.run.as_mut().expect("whoever takes the lead has a run");
        let polled = run.as_mut().poll(&mut Context::from_waker(&waker));
        match polled {
            Poll::Pending => {
                self.is_done = true;
                self.park(cx.waker().clone(), id);
                Polled::Pending
            }
            Poll::Ready(ended) => Polled::Ended(self.end(ended, id)),
        }
    }

    /// Leaves it with the flight until it calls, which it may have done while it was polled.
    fn park(&mut self, waker: Waker, id: MemberId) {
        let called = waker.clone();
        // Dropped without locks: it is the caller's executor's.
        let mut _replaced = None;
        let mut state = self.flight.lock();
        state.run = self.run.take();
        if let Some(seat) = state.seats.get_mut(id) {
            _replaced = seat.waker.replace(waker);
        }
        let calls = state.calls;
        drop(state);
        if calls {
            called.wake();
        }
    }

    fn end(&mut self, ended: Ended<T>, id: MemberId) -> After<T> {
        // Dropped before anybody hears of its end, and without locks: it is the user's.
        self.run = None;
        self.is_done = true;
        self.flight.lock().settle(id, ended)
    }
}

impl<T: Clone> Drop for Driven<'_, T> {
    fn drop(&mut self) {
        if !self.is_done {
            self.run = None;
            let wakers = self.flight.lock().broke();
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}
