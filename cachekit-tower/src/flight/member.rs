//! A request's seat in a flight: waiting, starting, driving, leaving.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{
    Flights, Handle, Run, Verdict,
    drive::{Driven, Polled},
    flights::Place,
    seats::MemberId,
    state::{Flight, State},
};
use crate::{identity::Identity, observe};

/// How long a driver may leave its run unpolled.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often those look who are not the deputy: it may be unpolled as well.
const GLANCE: Duration = Duration::from_secs(1);

/// A request's seat in a flight. Dropping it leaves the flight; with the last one the run is dropped.
pub(crate) struct Member<T: Clone> {
    flights: Arc<Flights<T>>,
    identity: Identity,
    flight: Arc<Flight<T>>,
    id: MemberId,
    leads: bool,
    /// Its seat was taken away already, and nothing is left to be done. Should user code panic before that is noted,
    /// the seat is found gone.
    left: bool,
    watch: Option<Watch>,
}

/// A follower's look at its driver.
struct Watch {
    sleep: Pin<Box<Sleep>>,
    /// How often the run had been polled, and whether it called, when it was looked at last.
    seen: u64,
    called: bool,
    is_deputy: bool,
    until: Instant,
}

/// What a member does next.
enum Next<T> {
    Given(Verdict<T>),
    /// There is no run: it starts one.
    Start,
    Drive(Run<T>),
    Wait,
}

impl<T: Clone + Send + 'static> Member<T> {
    pub(super) fn new(
        flights: Arc<Flights<T>>,
        identity: Identity,
        Place { flight, id, leads }: Place<T>,
    ) -> Self {
        Self { flights, identity, flight, id, leads, left: false, watch: None }
    }

    /// Whether it is sure to start a run at once: it need not give anything back before.
    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    /// Waits for the end of the flight, which it starts with `make` and drives if that falls to it. A follower waits for
    /// so `long` at most, and is then on its own.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the flight: the run goes on under another member, and ends with the last.
    pub(crate) async fn turn(
        mut self,
        long: Duration,
        make: impl FnOnce(Handle<T>) -> Run<T>,
    ) -> Verdict<T> {
        let mut make = Some(make);
        std::future::poll_fn(|cx| self.poll(cx, long, &mut make)).await
    }

    fn poll<M>(
        &mut self,
        cx: &mut Context<'_>,
        long: Duration,
        make: &mut Option<M>,
    ) -> Poll<Verdict<T>>
    where
        M: FnOnce(Handle<T>) -> Run<T>,
    {
        loop {
            let driven = match self.next(cx, make.is_some()) {
                Next::Given(verdict) => return Poll::Ready(verdict),
                Next::Wait => match self.poll_watch(cx, long) {
                    Watched::Nothing => return Poll::Pending,
                    Watched::TookOver => continue,
                    Watched::TimeUp => return Poll::Ready(Verdict::Alone),
                },
                Next::Drive(run) => Driven::new(&self.flight, Some(run)),
                Next::Start => {
                    self.watch = None;
                    let make = make.take().expect("only who has not started a run starts one");
                    let handle = Handle(Arc::downgrade(&self.flight));
                    Driven::new(&self.flight, None).with(|| make(handle))
                }
            };
            match driven.poll(cx, self.id) {
                Polled::Pending => return Poll::Pending,
                Polled::Ended(after) => {
                    let retiring = self.retiring(after.retires);
                    if after.releases {
                        self.flights.release(&self.identity);
                    }
                    observe::members(self.flights.layer, after.members);
                    drop(retiring);
                    self.left = after.verdict.is_some();
                    after.wakers.into_iter().for_each(Waker::wake);
                    if let Some(verdict) = after.verdict {
                        return Poll::Ready(verdict);
                    }
                }
            }
        }
    }

    /// Takes its verdict, the start of a run, or the run itself if nobody else sees to it.
    fn next(&self, cx: &Context<'_>, may_start: bool) -> Next<T> {
        // Who leads starts a run, and needs a waker once that is parked.
        let starts = self.leads && may_start;
        // Wakers are the caller's executor's: they are cloned and dropped without locks.
        let waker = (!starts).then(|| cx.waker().clone());
        let mut _replaced = None;
        let mut state = self.flight.lock();
        let state = &mut *state;
        let Some(seat) = state.seats.get_mut(self.id) else { return Next::Given(Verdict::Alone) };
        if seat.served {
            return Next::Given(seat.verdict.take().unwrap_or(Verdict::Alone));
        }
        _replaced = std::mem::replace(&mut seat.waker, waker);
        let is_free = state.reserved.is_none_or(|id| id == self.id);
        if state.started && !state.running && is_free && may_start {
            state.reserved = None;
            state.lead(self.id);
            state.starter = Some(self.id);
            return Next::Start;
        }
        let is_free = state.driver.is_none_or(|driver| driver == self.id);
        if is_free && let Some(run) = state.run.take() {
            state.lead(self.id);
            return Next::Drive(run);
        }
        Next::Wait
    }

    /// Looks whether the driver comes when the run calls, and takes its place otherwise.
    fn poll_watch(&mut self, cx: &mut Context<'_>, long: Duration) -> Watched {
        let mut state = self.flight.lock();
        if state.driver == Some(self.id) {
            return Watched::Nothing;
        }
        let is_deputy = state.deputy == Some(self.id);
        let is_starter = state.starter == Some(self.id);
        let now = Instant::now();
        let watch = self.watch.get_or_insert_with(|| Watch::new(now, &state, is_deputy, long));
        if is_deputy && !watch.is_deputy {
            watch.look_again(now, &state, true);
        }
        drop(state);
        while watch.sleep.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // Its request went with the run.
            if now >= watch.until && !is_starter {
                return Watched::TimeUp;
            }
            state = self.flight.lock();
            let idle = watch.called && state.calls && state.polls == watch.seen;
            if idle && state.replaces(self.id) {
                drop(state);
                self.watch = None;
                observe::flight(self.flights.layer, "takeover");
                return Watched::TookOver;
            }
            let stays = is_deputy && state.calls;
            if is_deputy && !stays {
                state.deputy = None;
            }
            watch.look_again(now, &state, stays);
            drop(state);
        }
        Watched::Nothing
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Nothing,
    TookOver,
    TimeUp,
}

impl Watch {
    fn new<T>(now: Instant, state: &State<T>, is_deputy: bool, long: Duration) -> Self {
        let (seen, called, until) = (state.polls, state.calls, now + long);
        let sleep = Box::pin(tokio::time::sleep_until(next_look(now, is_deputy, until)));
        Self { sleep, seen, called, is_deputy, until }
    }

    fn look_again<T>(&mut self, now: Instant, state: &State<T>, is_deputy: bool) {
        (self.seen, self.called, self.is_deputy) = (state.polls, state.calls, is_deputy);
        self.sleep.as_mut().reset(next_look(now, is_deputy, self.until));
    }
}

fn next_look(now: Instant, is_deputy: bool, until: Instant) -> Instant {
    let next = now + if is_deputy { PATIENCE } else { GLANCE };
    // Past its time it looks on only if it is the starter.
    if now < until { next.min(until) } else { next }
}

impl<T> State<T> {
    /// This member sees to the run from now on.
    fn lead(&mut self, id: MemberId) {
        (self.running, self.calls, self.driver) = (true, false, Some(id));
        self.polls += 1;
        if self.deputy == Some(id) {
            self.deputy = None;
        }
    }

    /// Puts this member in the place of a driver that does not come; `false` if that one polls the run right now.
    fn replaces(&mut self, id: MemberId) -> bool {
        let is_idle = self.run.is_some();
        if is_idle {
            self.driver = Some(id);
        }
        is_idle
    }
}

impl<T: Clone> Drop for Member<T> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let mut state = self.flight.lock();
        let seat = state.seats.remove(self.id);
        let is_last = state.seats.is_empty();
        let mut run = None;
        let mut wakers = Vec::new();
        if state.deputy == Some(self.id) {
            state.deputy = None;
        }
        if state.starter == Some(self.id) {
            state.starter = None;
        }
        if state.reserved == Some(self.id) {
            state.reserved = None;
        }
        if is_last {
            state.over = true;
            run = state.run.take();
        } else if !state.over && (state.driver == Some(self.id) || state.calls) {
            state.driver = state.driver.filter(|driver| *driver != self.id);
            wakers = state.call();
        }
        let _retiring = self.retiring(state.is_to_retire());
        drop(state);
        drop((seat, run));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T: Clone> Member<T> {
    fn retiring(&self, retires: bool) -> Retiring<'_, T> {
        Retiring(retires.then_some(self))
    }
}

/// Takes a flight out when dropped: whatever is done before runs code of the user's, which may panic.
struct Retiring<'a, T: Clone>(Option<&'a Member<T>>);

impl<T: Clone> Drop for Retiring<'_, T> {
    fn drop(&mut self) {
        if let Some(Member { flights, identity, flight, .. }) = self.0 {
            flights.retire(identity, flight);
        }
    }
}

impl<T: Clone> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("id", &self.id).finish_non_exhaustive()
    }
}
