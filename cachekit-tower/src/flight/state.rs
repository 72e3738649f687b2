//! What a flight knows, behind its lock.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Wake, Waker},
};

use super::{
    flights::Join,
    seats::{MemberId, Seats},
    settle::Ended,
};

/// One handler call with all that belongs to it.
pub(crate) type Run<T> = Pin<Box<dyn Future<Output = Ended<T>> + Send>>;

pub(super) struct Flight<T> {
    pub(super) join: Join,
    state: Mutex<State<T>>,
}

pub(super) struct State<T> {
    /// It has left the place where it waits for others to end.
    pub(super) started: bool,
    /// Everybody has a verdict or is gone.
    pub(super) over: bool,
    /// Somebody has seen to it that it is looked for no more.
    pub(super) retired: bool,
    /// Newcomers may join.
    pub(super) open: bool,
    /// There is a run: in `run`, or in the hands of whoever polls it.
    pub(super) running: bool,
    pub(super) run: Option<Run<T>>,
    /// Whoever is to start the first run: it does so in the poll in which it was seated.
    pub(super) reserved: Option<MemberId>,
    pub(super) starter: Option<MemberId>,
    pub(super) driver: Option<MemberId>,
    /// Who sees to it that a driver which does not come is replaced.
    pub(super) deputy: Option<MemberId>,
    /// The run, or the want of one, waits for somebody to be polled.
    pub(super) calls: bool,
    /// How often the run was polled.
    pub(super) polls: u64,
    /// Members below this number joined before the run began.
    pub(super) covered: MemberId,
    pub(super) failures: u32,
    pub(super) seats: Seats<T>,
}

impl<T> Flight<T> {
    /// A flight with its first member, who starts its run if it has `started`.
    pub(super) fn new(join: Join, started: bool) -> (Arc<Self>, MemberId) {
        let mut seats = Seats::default();
        let first = seats.add();
        let state = State {
            started,
            over: false,
            retired: false,
            open: true,
            running: false,
            run: None,
            reserved: started.then_some(first),
            starter: None,
            driver: None,
            deputy: None,
            calls: started,
            polls: 0,
            covered: 0,
            failures: 0,
            seats,
        };
        (Arc::new(Self { join, state: Mutex::new(state) }), first)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a newcomer, if the answer may be its own.
    pub(super) fn join(&self) -> Option<MemberId> {
        let mut state = self.lock();
        (state.open && !state.over).then(|| state.seats.add())
    }

    /// Lets it begin: those before it are over.
    pub(super) fn start(&self) -> Vec<Waker> {
        let mut state = self.lock();
        state.started = true;
        state.call()
    }
}

impl<T> State<T> {
    /// Whether the flight is over, and nobody has taken it out yet: who is told so does.
    pub(super) fn is_to_retire(&mut self) -> bool {
        self.over && !std::mem::replace(&mut self.retired, true)
    }

    /// Calls for a poll: of the driver, or of whoever comes first if there is none, and of a deputy.
    pub(super) fn call(&mut self) -> Vec<Waker> {
        self.calls = true;
        let first = self.seats.waiting().next().map(|(id, _)| id);
        let called = self.driver.or(first);
        let mut woken = [called, None];
        if self.deputy.is_none() || self.deputy == called {
            self.deputy = self.seats.waiting().map(|(id, _)| id).find(|id| Some(*id) != called);
            woken[1] = self.deputy;
        }
        woken.into_iter().flatten().filter_map(|id| self.waker(id)).collect()
    }

    fn waker(&mut self, id: MemberId) -> Option<Waker> {
        self.seats.get_mut(id).and_then(|seat| seat.waker.take())
    }
}

/// The run calls for its driver. Nothing but bookkeeping is done where it is woken.
impl<T: Send + 'static> Wake for Flight<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = self.lock().call();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Who waits for a run's answer besides its starter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Nobody,
    /// Members who joined before the run began: for them there is nothing to verify.
    Early,
    /// Some who joined later too.
    Late,
}

/// A run's hold on its flight.
pub(crate) struct Handle<T>(pub(super) Weak<Flight<T>>);

impl<T> Handle<T> {
    /// The handler is about to be called: everybody present came before.
    pub(crate) fn begins(&self) {
        let Some(flight) = self.0.upgrade() else { return };
        let mut state = flight.lock();
        state.covered = state.seats.bound();
        state.open = flight.join != Join::Fresh;
    }

    /// Closes the flight, since the answer is at hand and its verification is about to be sent, and says whom that is
    /// for.
    pub(crate) fn closes(&self) -> Audience {
        let Some(flight) = self.0.upgrade() else { return Audience::Nobody };
        let mut state = flight.lock();
        state.open = false;
        let (starter, covered) = (state.starter, state.covered);
        // Later ones have greater numbers.
        match state.seats.waiting().map(|(id, _)| id).filter(|id| Some(*id) != starter).last() {
            None => Audience::Nobody,
            Some(last) if last < covered => Audience::Early,
            Some(_) => Audience::Late,
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(..)")
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("join", &self.join).finish_non_exhaustive()
    }
}
