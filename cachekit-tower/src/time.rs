//! Waiting with an end.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

/// A timer that is made only when something has to be waited for: most things are ready at once.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready once so `long` has passed since it was polled first.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, long: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(long))).as_mut().poll(cx)
    }
}

pin_project! {
    /// A future that is waited for with an end; see [`within`].
    pub(crate) struct Within<F> {
        #[pin]
        future: F,
        timer: Timer,
        limit: Duration,
    }
}

/// Waits for `future` for so long. `None`: the time is up. What is ready at once needs no timer, and no runtime.
// No `async fn`: that would hold the future twice, and move it.
pub(crate) fn within<F: Future>(limit: Duration, future: F) -> Within<F> {
    Within { future, timer: Timer::default(), limit }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        this.timer.poll(cx, *this.limit).map(|()| None)
    }
}

/// Polls a future that is ready at once.
#[cfg_attr(not(feature = "axum"), allow(dead_code))]
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
