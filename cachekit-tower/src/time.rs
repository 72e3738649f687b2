//! Waiting with an end.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Waits for `future` for so long. `None`: the time is up. What is ready at once needs no timer, and no runtime.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // Its waker is replaced by the next poll.
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return Some(output);
    }
    tokio::time::timeout(limit, future).await.ok()
}

/// Polls a future that is ready at once.
#[cfg_attr(not(feature = "axum"), allow(dead_code))]
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
