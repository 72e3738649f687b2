//! Waiting with an end.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

pin_project! {
    /// A future that is waited for with an end; see [`within`].
    pub(crate) struct Within<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Option<Sleep>,
        limit: Duration,
    }
}

/// Waits for `future` for so long. `None`: the time is up. What is ready at once needs no timer, and no runtime.
// No `async fn`: that would hold the future twice, and move it.
pub(crate) fn within<F: Future>(limit: Duration, future: F) -> Within<F> {
    Within { future, sleep: None, limit }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(tokio::time::sleep(*this.limit)));
        }
        let sleep = this.sleep.as_pin_mut().expect("it was set just now");
        sleep.poll(cx).map(|()| None)
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
