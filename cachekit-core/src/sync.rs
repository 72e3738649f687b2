//! The one place that knows whether time, tasks and locks are real or scheduled by shuttle.

use std::sync::PoisonError;

#[cfg(not(shuttle))]
mod real {
    pub(crate) use std::sync::{Mutex, MutexGuard};

    use tokio::runtime::Handle;
    pub(crate) use tokio::time::sleep;

    /// Where background work runs.
    #[derive(Debug)]
    pub(crate) struct Runtime(Option<Handle>);

    impl Runtime {
        pub(crate) fn current() -> Self {
            Self(Handle::try_current().ok())
        }

        /// Runs `future` on the current runtime, or on the one that was current at the start;
        /// without either it is dropped.
        pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
            if let Some(handle) = Handle::try_current().ok().or_else(|| self.0.clone()) {
                drop(handle.spawn(future));
            }
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
    use std::{pin::pin, task::Poll, time::Duration};

    use shuttle::rand::Rng as _;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};

    /// Yields a random number of times: every order of events that a clock could give.
    pub(crate) async fn sleep(_: Duration) {
        for _ in 0..shuttle::rand::thread_rng().gen_range(0..4) {
            shuttle::future::yield_now().await;
        }
    }

    /// Where background work runs.
    #[derive(Debug)]
    pub(crate) struct Runtime;

    impl Runtime {
        pub(crate) fn current() -> Self {
            Self
        }

        pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
            drop(shuttle::future::spawn(future));
        }
    }

    /// Waits for `future`; only where the test lets patience run out, at most for some yields.
    pub(crate) async fn within<F: Future>(_: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        if !crate::mutant::impatient() {
            return Some(future.await);
        }
        let mut left = shuttle::rand::thread_rng().gen_range(1..60_u32);
        std::future::poll_fn(move |cx| {
            if let Poll::Ready(out) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(out));
            }
            left -= 1;
            if left == 0 {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

#[cfg(not(shuttle))]
pub(crate) use real::*;
#[cfg(shuttle)]
pub(crate) use scheduled::*;

/// Locks `mutex`, also after a panic elsewhere: no user's code runs under our locks, so what
/// they guard is never half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
