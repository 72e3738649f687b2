//! A look into the cache that is under way, and that outlives its caller's attention where others wait for what it runs.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use cachekit_core::{Cache, Scope, Status};
use tracing::{Instrument as _, Span};

use super::{
    gates::Seat,
    run::{Failure, Own},
    snapshot::Snapshot,
};

type Looking = Pin<Box<dyn Future<Output = Looked> + Send>>;

/// What a look found, and how.
pub(crate) type Looked = (Result<Snapshot, Failure>, Status);

/// A look that is driven by its caller, or by somebody else while that one does not come.
pub(crate) struct Driven<R, E> {
    driving: Arc<Driving>,
    own: Arc<Own<R, E>>,
    is_told: bool,
}

/// A look, wherever it is driven.
pub(crate) struct Driving {
    cache: Cache,
    seat: Arc<Seat>,
    span: Span,
    scope: Option<Scope>,
    /// It waits for somebody to poll it.
    calls: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// None while somebody polls it, and once it is through.
    looking: Option<Looking>,
    looked: Option<Looked>,
    /// How often its caller polled it.
    polls: u64,
    waker: Option<Waker>,
    caller_is_gone: bool,
}

impl<R, E> Driven<R, E> {
    pub(crate) fn new(
        looking: Looking,
        cache: Cache,
        seat: Arc<Seat>,
        own: Arc<Own<R, E>>,
    ) -> Self {
        let state = State {
            looking: Some(looking),
            looked: None,
            polls: 0,
            waker: None,
            caller_is_gone: false,
        };
        let driving = Driving {
            cache,
            seat,
            span: Span::current(),
            scope: Scope::current(),
            calls: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        Self { driving: Arc::new(driving), own, is_told: false }
    }
}

impl<R, E> Future for Driven<R, E> {
    type Output = Looked;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Looked> {
        let driving = self.driving.clone();
        // Wakers are the caller's executor's: they are cloned and dropped without locks.
        let waker = cx.waker().clone();
        let mut state = driving.lock();
        let _replaced = state.waker.replace(waker);
        if let Some(looked) = state.looked.take() {
            return Poll::Ready(looked);
        }
        // Else it is driven elsewhere.
        let Some(mut looking) = state.looking.take() else { return Poll::Pending };
        state.polls += 1;
        driving.calls.store(false, Ordering::Release);
        drop(state);
        let waker = Waker::from(driving.clone());
        if let Poll::Ready(looked) = looking.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(looked);
        }
        driving.lock().looking = Some(looking);
        if !self.is_told && self.own.has_begun() {
            self.is_told = true;
            driving.seat.drives(&driving);
        }
        Poll::Pending
    }
}

impl Driving {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was polled, where it waits to be polled again.
    pub(crate) fn unpolled(&self) -> Option<u64> {
        let state = self.lock();
        (self.calls.load(Ordering::Acquire) && state.looking.is_some()).then_some(state.polls)
    }

    /// Goes on with it in a task, until it is through or nobody but its caller wants it.
    pub(crate) fn go_on(self: &Arc<Self>) {
        let Some(mut looking) = self.lock().looking.take() else { return };
        let own = self.clone();
        let unfinished = Unfinished(Some(self.clone()));
        let work = async move {
            let looked = tokio::select! {
                biased;
                looked = &mut looking => Some(looked),
                () = own.seat.alone() => None,
            };
            unfinished.end();
            let mut state = own.lock();
            let waker = state.waker.take();
            let mut rest = None;
            match looked {
                _ if state.caller_is_gone => rest = Some(looking),
                Some(_) => state.looked = looked,
                None => state.looking = Some(looking),
            }
            drop(state);
            drop(rest);
            if let Some(waker) = waker {
                waker.wake();
            }
        };
        let (work, span) = (Box::pin(work), self.span.clone());
        let _runs = match self.scope.clone() {
            Some(scope) => self.cache.track(async move { scope.run(work).await }.instrument(span)),
            None => self.cache.track(work.instrument(span)),
        };
    }
}

/// A look in the hands of a task. Dropped with that before it came to its end, it lets its caller go on alone.
struct Unfinished(Option<Arc<Driving>>);

impl Unfinished {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(driving) = &self.0 else { return };
        let mut state = driving.lock();
        let waker = state.waker.take();
        state.looked = Some((Err(Failure::Own), Status::Bypassed));
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What it waits for has come.
impl Wake for Driving {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.calls.store(true, Ordering::Release);
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The caller has gone. What it runs is not its own: others go on with it, and nothing begins again.
impl<R, E> Drop for Driven<R, E> {
    fn drop(&mut self) {
        let mut state = self.driving.lock();
        state.caller_is_gone = true;
        let over = (state.waker.take(), state.looked.take());
        let is_wanted = self.own.has_begun() && self.driving.seat.has_company();
        let looking = if is_wanted { None } else { state.looking.take() };
        drop(state);
        drop((over, looking));
        if is_wanted {
            self.driving.go_on();
        }
    }
}

impl fmt::Debug for Driving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driving").field("calls", &self.calls).finish_non_exhaustive()
    }
}
