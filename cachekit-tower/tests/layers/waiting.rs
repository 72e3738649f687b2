//! How many requests wait for their answers: what a test waits for before it lets a handler go.

#![allow(dead_code, unreachable_pub)]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// Counts futures that were polled and are not through, nor dropped. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<AtomicUsize>);

struct Place(Waiting);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

impl Waiting {
    /// The future, counted while it waits.
    pub fn of<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let waiting = self.clone();
        async move {
            let mut future = pin!(future);
            let mut place = None;
            poll_fn(|cx| {
                let polled = future.as_mut().poll(cx);
                if polled.is_pending() && place.is_none() {
                    waiting.0.fetch_add(1, SeqCst);
                    place = Some(Place(waiting.clone()));
                }
                polled
            })
            .await
        }
    }

    /// Waits until so many wait.
    pub async fn reach(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.0.load(SeqCst) != count {
            assert!(Instant::now() < end, "{} wait, not {count}", self.0.load(SeqCst));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
