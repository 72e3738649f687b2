//! Futures that are dropped at a chosen point.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Runs a future for a number of polls, then drops it.
#[derive(Debug)]
pub struct Polls<F> {
    future: Option<Pin<Box<F>>>,
    left: usize,
}

impl<F: Future> Polls<F> {
    /// Polls `future` at most `polls` times.
    pub fn new(future: F, polls: usize) -> Polls<F> {
        Polls { future: Some(Box::pin(future)), left: polls }
    }
}

/// `None`: it was dropped when it would have been polled once more.
impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Some(left) = self.left.checked_sub(1) else {
            self.future = None;
            return Poll::Ready(None);
        };
        self.left = left;
        let future = self.future.as_mut().expect("polled after its end");
        future.as_mut().poll(cx).map(Some)
    }
}

/// Polls `future` once, with nobody to wake.
pub fn first_poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
