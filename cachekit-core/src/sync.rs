//! The one place that knows whether time, tasks and locks are real or scheduled by shuttle.

use std::{pin::Pin, sync::PoisonError, task::Poll};

#[cfg(not(shuttle))]
mod real {
    pub(crate) use std::sync::{Mutex, MutexGuard};

    use tokio::runtime::Handle;
    pub(crate) use tokio::{
        task_local,
        time::{Instant, sleep},
    };

    /// What time it is on the clock that `sleep` goes by.
    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    /// Where background work runs.
    #[derive(Debug)]
    pub(crate) struct Runtime(Option<Handle>);

    impl Runtime {
        pub(crate) fn current() -> Self {
            Self(Handle::try_current().ok())
        }

        /// Runs `future` on the current runtime, or on the one that was current at the start;
        /// without either it is dropped, and this is `false`.
        pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
            let handle = Handle::try_current().ok().or_else(|| self.0.clone());
            let found = handle.is_some();
            if let Some(handle) = handle {
                drop(handle.spawn(future));
            }
            found
        }
    }

    /// Waits for `future`, at most for `limit`.
    pub(crate) async fn within<F: Future>(
        limit: std::time::Duration,
        future: F,
    ) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }
}

#[cfg(shuttle)]
mod scheduled {
    use std::{
        cell::{Cell, RefCell},
        future::poll_fn,
        pin::pin,
        sync::OnceLock,
        task::Poll,
        time::Duration,
    };

    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    use shuttle::{
        future::{AbortHandle, yield_now},
        rand::Rng as _,
        thread::LocalKey,
    };
    pub(crate) use tokio::time::Instant;

    thread_local! {
        static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        static BACKGROUND: RefCell<Vec<AbortHandle>> = const { RefCell::new(Vec::new()) };
    }

    /// A time that only `sleep` moves, so that a schedule is the same each time it is run.
    pub(crate) fn now() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now) + ELAPSED.get()
    }

    /// Yields a random number of times: every order of events that a clock could give.
    pub(crate) async fn sleep(time: Duration) {
        let until = ELAPSED.get() + time;
        for _ in 0..shuttle::rand::thread_rng().gen_range(0..4) {
            yield_now().await;
        }
        ELAPSED.set(until.max(ELAPSED.get()));
    }

    /// Begins time anew, with no background work.
    #[cfg(test)]
    pub(crate) fn restart() {
        ELAPSED.set(Duration::ZERO);
        BACKGROUND.take();
    }

    /// Ends all background work, as a runtime does that is shut down.
    #[cfg(test)]
    pub(crate) fn end_background() {
        BACKGROUND.take().iter().for_each(AbortHandle::abort);
    }

    /// Where background work runs.
    #[derive(Debug)]
    pub(crate) struct Runtime;

    impl Runtime {
        pub(crate) fn current() -> Self {
            Self
        }

        pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
            let task = shuttle::future::spawn(future);
            BACKGROUND.with_borrow_mut(|background| background.push(task.abort_handle()));
            true
        }
    }

    /// Waits for `future`; only where the test lets patience run out, at most for some yields.
    pub(crate) async fn within<F: Future>(_: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        if !crate::mutant::impatient() {
            return Some(future.await);
        }
        for _ in 0..shuttle::rand::thread_rng().gen_range(1..40) {
            let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
            if let Poll::Ready(out) = polled {
                return Some(out);
            }
            yield_now().await;
        }
        None
    }

    /// A task's own value while a future is polled. Tokio's live in the thread, and all tasks of
    /// a schedule share one, with switches between them in the middle of a poll.
    pub(crate) struct TaskLocal<T: 'static>(pub(crate) &'static LocalKey<RefCell<Option<T>>>);

    impl<T> TaskLocal<T> {
        pub(crate) fn try_with<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, ()> {
            let found = self.0.try_with(|cell| cell.borrow().as_ref().map(look));
            found.ok().flatten().ok_or(())
        }

        pub(crate) fn sync_scope<R>(&self, value: T, work: impl FnOnce() -> R) -> R {
            let mut value = Some(value);
            self.swap(&mut value);
            let out = work();
            self.swap(&mut value);
            out
        }

        pub(crate) async fn scope<F: Future>(&self, value: T, future: F) -> F::Output {
            let mut value = Some(value);
            let mut future = pin!(future);
            poll_fn(move |cx| {
                self.swap(&mut value);
                let polled = future.as_mut().poll(cx);
                self.swap(&mut value);
                polled
            })
            .await
        }

        fn swap(&self, value: &mut Option<T>) {
            self.0.with(|cell| std::mem::swap(value, &mut cell.borrow_mut()));
        }
    }

    macro_rules! task_local {
        (static $name:ident: $type:ty;) => {
            static $name: $crate::sync::TaskLocal<$type> = {
                shuttle::thread_local! {
                    static CELL: std::cell::RefCell<Option<$type>> =
                        const { std::cell::RefCell::new(None) };
                }
                $crate::sync::TaskLocal(&CELL)
            };
        };
    }
    pub(crate) use task_local;
}

#[cfg(not(shuttle))]
pub(crate) use real::*;
#[cfg(shuttle)]
pub(crate) use scheduled::*;

/// Waits for `future`; for `limit` at most, where there is one.
pub(crate) async fn at_most<F: Future + Unpin>(
    limit: Option<std::time::Duration>,
    mut future: F,
) -> Option<F::Output> {
    let mut end = limit.map(|limit| Box::pin(sleep(limit)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(out) = Pin::new(&mut future).poll(cx) {
            return Poll::Ready(Some(out));
        }
        end.as_mut().map_or(Poll::Pending, |end| end.as_mut().poll(cx).map(|()| None))
    })
    .await
}

/// Locks `mutex`, also after a panic elsewhere: no user's code runs under our locks, so what
/// they guard is never half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
