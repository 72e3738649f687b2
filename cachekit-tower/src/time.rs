//! Waiting with an end.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Waits for `future` for so long. `None`: the time is up. What is ready at once needs no timer, and no runtime.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = pin!(None);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if sleep.is_none() {
            sleep.set(Some(tokio::time::sleep(limit)));
        }
        let sleep = sleep.as_mut().as_pin_mut().expect("it was set just now");
        sleep.poll(cx).map(|()| None)
    })
    .await
}

/// Polls a future that is ready at once.
#[cfg_attr(not(feature = "axum"), allow(dead_code))]
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
