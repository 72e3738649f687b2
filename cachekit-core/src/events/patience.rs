//! Waiting for a Redis that is away, for as long as the work is wanted.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::redis::Stream;
use crate::retry::RetryPolicy;

/// How a consumer's own tasks come back after Redis refused something.
const POLICY: RetryPolicy =
    RetryPolicy::new().base(Duration::from_millis(20)).cap(Duration::from_secs(1));

/// Told once, heard by all tasks of a consumer.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) async fn asked(&mut self) {
        // Its sender is gone when the consumer was dropped, and so are its tasks soon.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits; `false` if it is time to stop.
    pub(crate) async fn sleep(&mut self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.asked() => false,
            () = sleep(time) => true,
        }
    }
}

/// Counts failures of Redis in a row.
#[derive(Debug, Default)]
pub(crate) struct Patience(u32);

impl Patience {
    pub(crate) fn worked(&mut self) {
        self.0 = 0;
    }

    /// Waits before the next try, for a link that is down until it is up; `false` if it is time to stop.
    pub(crate) async fn wait(&mut self, stream: &Stream, stop: &mut Stop) -> bool {
        self.0 += 1;
        let changed = stream.changed();
        if stream.is_up() {
            return stop.sleep(POLICY.pause(self.0)).await;
        }
        tokio::select! {
            biased;
            () = stop.asked() => false,
            // The change may have come before it was listened for.
            _ = timeout(Duration::from_secs(1), changed) => true,
        }
    }
}
